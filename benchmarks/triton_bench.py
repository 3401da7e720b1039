"""Triton kernels on the CPU against PyTorch's operators: interleaved medians, outputs allocated beforehand, one thread.

    FLAGOS_THREADS=1 python -P benchmarks/triton_bench.py

A ratio is PyTorch's time over ours: above 1 the kernel is faster. Times are comparable within one line only.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
import triton
import triton.language as tl


@triton.jit
def add_kernel(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, tl.load(x + i, mask=i < n) + tl.load(y + i, mask=i < n), mask=i < n)


@triton.jit
def unary_kernel(x, out, n, WHICH: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + i, mask=i < n)
    if WHICH == "exp":
        r = tl.exp(v)
    elif WHICH == "log":
        r = tl.log(v)
    elif WHICH == "sin":
        r = tl.sin(v)
    elif WHICH == "erf":
        r = tl.math.erf(v)
    elif WHICH == "silu":
        r = v * tl.sigmoid(v)
    else:
        r = 0.5 * v * (1 + tl.math.erf(v * 0.7071067811865476))
    tl.store(out + i, r, mask=i < n)


@triton.jit
def matmul_kernel(a, b, c, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    depth = tl.arange(0, BK)
    left = a + rows[:, None] * K + depth[None, :]
    right = b + depth[:, None] * N + columns[None, :]
    total = tl.zeros((BM, BN), dtype=tl.float32)
    for _ in range(0, K, BK):
        total = tl.dot(tl.load(left), tl.load(right), total)
        left += BK
        right += BK * N
    tl.store(c + rows[:, None] * N + columns[None, :], total.to(c.dtype.element_ty))


def compare(ours: Callable[[], object], rival: Callable[[], object], rounds: int = 21) -> tuple[float, float]:
    """Median seconds of each, taken in turns after four untimed calls."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(4):
        ours()
        rival()
    for _ in range(rounds):
        for call, into in zip((ours, rival), times, strict=True):
            start = time.perf_counter()
            call()
            into.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def report(name: str, ours: Callable[[], object], rival: Callable[[], object], elements: int) -> None:
    a, b = compare(ours, rival)
    print(f"{name:28} {a / elements * 1e9:8.3f} ns  torch {b / elements * 1e9:8.3f} ns  ratio {b / a:5.2f}", flush=True)


def main() -> None:
    torch.set_num_threads(1)
    n = 1 << 20
    x, y, out = torch.randn(n), torch.randn(n), torch.empty(n)
    grid = (n // 4096,)
    report("add 1M", lambda: add_kernel[grid](x, y, out, n, BLOCK=4096), lambda: torch.add(x, y, out=out), n)
    rivals = {
        "exp": lambda: torch.exp(x, out=out),
        "log": lambda: torch.log(y.abs_(), out=out),
        "sin": lambda: torch.sin(x, out=out),
        "erf": lambda: torch.erf(x, out=out),
        "silu": lambda: torch.ops.aten.silu.out(x, out=out),
        "gelu": lambda: torch.ops.aten.gelu.out(x, out=out),
    }
    y.abs_()
    for which, rival in rivals.items():
        source = y if which == "log" else x
        report(f"{which} 1M", partial(unary_kernel[grid], source, out, n, WHICH=which, BLOCK=4096), rival, n)
    for dtype in (torch.float32, torch.bfloat16):
        a, b, c = (torch.randn(512, 512).to(dtype) for _ in range(3))
        blocks = {"BM": 128, "BN": 128, "BK": 128}
        ours = partial(matmul_kernel[(4, 4)], a, b, c, 512, 512, **blocks)
        report(f"mm 512 {str(dtype)[6:]}", ours, partial(torch.mm, a, b, out=c), 512**3)


if __name__ == "__main__":
    main()
