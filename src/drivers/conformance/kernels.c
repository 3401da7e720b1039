/* Kernels for the module checks, in the form of an "elf-x86_64" image. Compiled to an object that is carried as bytes:
 * nothing here is linked into the program. */
#include <stdint.h>

/* Counts each program of the grid once: args are the counters' address and an addend of 4 bytes. */
void count_programs(const void* const* args, const uint32_t* grid, uint64_t first, uint64_t last, void* scratch) {
  uint32_t* counters = *(uint32_t* const*)args[0];
  const uint32_t addend = *(const uint32_t*)args[1];
  (void)grid;
  (void)scratch;
  for (uint64_t id = first; id < last; ++id) __atomic_fetch_add(&counters[id], addend, __ATOMIC_RELAXED);
}

/* Writes to the start of the block the grid that it was given, then the bits of the scratch address below 64. */
void report_launch(const void* const* args, const uint32_t* grid, uint64_t first, uint64_t last, void* scratch) {
  uint64_t* out = *(uint64_t* const*)args[0];
  const uint64_t scratch_bytes = *(const uint64_t*)args[1];
  if (first != 0 || last == first) return;
  for (int i = 0; i < 3; ++i) out[i] = grid[i];
  out[3] = (uintptr_t)scratch % 64;
  for (uint64_t i = 0; i < scratch_bytes; ++i) ((volatile unsigned char*)scratch)[i] = (unsigned char)i;
  out[4] = scratch != 0;
}

/* Each program waits for the one before it: args are the address of a counter, which ends at the number of programs. */
void wait_for_predecessor(const void* const* args, const uint32_t* grid, uint64_t first, uint64_t last, void* scratch) {
  uint64_t* turn = *(uint64_t* const*)args[0];
  (void)grid;
  (void)scratch;
  for (uint64_t id = first; id < last; ++id) {
    while (__atomic_load_n(turn, __ATOMIC_ACQUIRE) != id) __builtin_ia32_pause();
    __atomic_store_n(turn, id + 1, __ATOMIC_RELEASE);
  }
}

extern uint64_t conformance_answer(void);

/* Needs a symbol that only the resolver knows. */
void ask_resolver(const void* const* args, const uint32_t* grid, uint64_t first, uint64_t last, void* scratch) {
  (void)grid;
  (void)first;
  (void)last;
  (void)scratch;
  **(uint64_t* const*)args[0] = conformance_answer();
}
