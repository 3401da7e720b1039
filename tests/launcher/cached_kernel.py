"""Compiles a kernel, runs it once, and leaves its tile IR in the folder of the cache, for after_python_test.cc."""

import os
from pathlib import Path

import torch
import triton
import triton.language as tl


@triton.jit
def axpy_kernel(x, y, out, alpha, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = alpha * tl.load(x + i, mask=i < n) + tl.load(y + i, mask=i < n)
    tl.store(out + i, value, mask=i < n)


x, y, out = torch.randn(1000), torch.randn(1000), torch.empty(1000)
compiled = axpy_kernel[(4,)](x, y, out, 2.5, 1000, BLOCK=256)
torch.testing.assert_close(out, 2.5 * x + y)
Path(os.environ["TRITON_CACHE_DIR"], "axpy.tile").write_text(compiled.asm["tile"])
