"""Triton kernels on this host: a backend for the stock `triton` wheel, named `cpu`.

Registered through the entry point group `triton.backends`; nothing is imported before Triton asks. A `@triton.jit`
kernel launched on cpu tensors is compiled in this process: Triton makes its tile IR, libflagos.so lowers that to loops,
and the LLVM inside the Triton wheel makes machine code. `compiler` and `driver` are what Triton looks for by name.
"""
