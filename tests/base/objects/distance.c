/* A 64-bit displacement, and a place aligned to a whole page. */
asm(".section .rodata,\"a\"\n"
    ".balign 4096\n"
    ".globl page\npage: .long 7\n"
    ".balign 8\n"
    ".globl distance\ndistance: .quad page - .\n"
    ".text\n");
extern const int page;
extern const long distance;
int through_distance(void) { return *(const int*)((const char*)&distance + distance); }
