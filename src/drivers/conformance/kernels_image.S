// The bytes of kernels.c's object, between two symbols.
        .section .rodata
        .balign 64
        .global fl_conformance_kernels_begin
        .hidden fl_conformance_kernels_begin
fl_conformance_kernels_begin:
        .incbin "conformance_kernels.o"
        .global fl_conformance_kernels_end
        .hidden fl_conformance_kernels_end
fl_conformance_kernels_end:
        .section .note.GNU-stack, "", @progbits
