"""Kernels on tiles, with what the emulator counts while each runs. To be started in a process with tiles; prints JSON.

Not emulated, that is null: the results are checked alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
import triton
import triton.language as tl

from benchmarks.product_kernels import attention_kernel, mm_kernel

from . import configured, emulated, executed


def product(m: int, n: int, k: int, dtype: torch.dtype, block: int) -> Callable[[], None]:
    whole = dtype == torch.int8
    a, b = (
        torch.randint(-128, 128, shape, dtype=dtype) if whole else torch.randn(shape).to(dtype)
        for shape in ((m, k), (k, n))
    )
    exact = (a.long() @ b.long()).int() if whole else (a.double() @ b.double()).to(dtype)
    grid = (triton.cdiv(m, block) * triton.cdiv(n, block),)
    blocks = {"BM": block, "BN": block, "BK": 64, "GROUP": 4, "SUM": tl.int32 if whole else tl.float32}

    def run() -> None:
        c = torch.empty_like(exact)
        mm_kernel[grid](a, b, c, m, n, k, *a.stride(), *b.stride(), *c.stride(), **blocks)
        tolerance = 0 if whole else 2e-2
        torch.testing.assert_close(c, exact, rtol=tolerance, atol=tolerance * math.sqrt(k))

    return run


def attention(tokens: int, block: int) -> Callable[[], None]:
    heads, width = 2, 64
    q, k, v = (torch.randn(1, heads, tokens, width).bfloat16() for _ in range(3))
    exact = torch.nn.functional.scaled_dot_product_attention(q.double(), k.double(), v.double()).bfloat16()

    def run() -> None:
        out = torch.empty_like(q)
        strides = (width**-0.5, tokens, tokens * width)
        attention_kernel[(tokens // block, heads)](q, k, v, out, *strides, BM=block, BN=64, D=width, CAUSAL=False)
        torch.testing.assert_close(out, exact, rtol=6e-2, atol=6e-2)

    return run


def counted(run: Callable[[], None]) -> dict[str, int] | None:
    run()  # compiled
    if not emulated():
        return None
    before = executed()
    run()
    assert not configured()
    return {name: count - before[name] for name, count in executed().items()}


def in_turns() -> dict[str, int] | None:
    """Threads that go from kernel to kernel, of different kinds and shapes, each in an order of its own."""
    kernels = [
        product(100, 170, 300, torch.bfloat16, 64),
        product(64, 64, 64, torch.int8, 16),
        product(130, 70, 500, torch.int8, 32),
        product(40, 90, 200, torch.float32, 32),
        attention(128, 32),
    ]
    for run in kernels:
        run()

    def turns(first: int) -> None:
        for i in range(3 * len(kernels)):
            kernels[(first + i * (first + 1)) % len(kernels)]()
            assert not (emulated() and configured())

    before = executed()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(turns, range(4)))
    return {name: count - before[name] for name, count in executed().items()} if emulated() else None


def main() -> None:
    torch.manual_seed(0)
    forms = {
        "bf16": counted(product(256, 256, 256, torch.bfloat16, 64)),
        "bf16, ragged": counted(product(250, 190, 150, torch.bfloat16, 64)),
        "int8": counted(product(256, 256, 256, torch.int8, 64)),
        "attention": counted(attention(256, 64)),
        "in turns": in_turns(),
    }
    print(json.dumps(forms if emulated() else None))


if __name__ == "__main__":
    main()
