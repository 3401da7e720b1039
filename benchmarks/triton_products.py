"""Matrix products, attention and GEMV as Triton kernels on the CPU against PyTorch's: interleaved medians, one thread.

    FLAGOS_THREADS=1 python -P benchmarks/triton_products.py [mm bmm addmm int8 edges attention gemv]

A ratio is PyTorch's time over ours: above 1 the kernel is faster. The kernels have the forms that libraries use:
grouped order with rows that wrap round (mm), masks on every side (bmm, addmm), a last step out of the loop (peeled).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from functools import partial

import torch
import triton
import triton.language as tl

from benchmarks.triton_bench import compare

SIZES = (256, 512, 1024, 2048)
BLOCKS = {"BM": 128, "BN": 128, "BK": 128}


@triton.jit
def grouped_order(M, N, BM: tl.constexpr, BN: tl.constexpr, GROUP: tl.constexpr):
    pid = tl.program_id(0)
    down, across = tl.cdiv(M, BM), tl.cdiv(N, BN)
    group = pid // (GROUP * across)
    first = group * GROUP
    size = min(down - first, GROUP)
    inside = pid % (GROUP * across)
    return first + inside % size, inside // size


@triton.jit
def mm_kernel(
    a, b, c, M, N, K, stride_am, stride_ak, stride_bk, stride_bn, stride_cm, stride_cn,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr, SUM: tl.constexpr,
):  # fmt: skip
    pid_m, pid_n = grouped_order(M, N, BM, BN, GROUP)
    rows = (pid_m * BM + tl.arange(0, BM)) % M
    columns = (pid_n * BN + tl.arange(0, BN)) % N
    depth = tl.arange(0, BK)
    left = a + (rows[:, None] * stride_am + depth[None, :] * stride_ak)
    right = b + (depth[:, None] * stride_bk + columns[None, :] * stride_bn)
    total = tl.zeros((BM, BN), dtype=SUM)
    for k in range(0, tl.cdiv(K, BK)):
        x = tl.load(left, mask=depth[None, :] < K - k * BK, other=0)
        y = tl.load(right, mask=depth[:, None] < K - k * BK, other=0)
        total = tl.dot(x, y, total, out_dtype=SUM)
        left += BK * stride_ak
        right += BK * stride_bk
    rows = pid_m * BM + tl.arange(0, BM)
    columns = pid_n * BN + tl.arange(0, BN)
    place = c + stride_cm * rows[:, None] + stride_cn * columns[None, :]
    tl.store(place, total.to(c.dtype.element_ty), mask=(rows[:, None] < M) & (columns[None, :] < N))


@triton.jit
def peeled_kernel(
    a, b, c, M, N, K, stride_am, stride_ak, stride_bk, stride_bn, stride_cm, stride_cn,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr, SUM: tl.constexpr,
):  # fmt: skip
    pid_m, pid_n = grouped_order(M, N, BM, BN, GROUP)
    rows = ((pid_m * BM + tl.arange(0, BM)) % M).to(tl.int64)
    columns = ((pid_n * BN + tl.arange(0, BN)) % N).to(tl.int64)
    whole = tl.cdiv(K, BK) * BK - BK
    total = tl.zeros((BM, BN), dtype=SUM)
    for start in range(0, whole, BK):
        depth = (start + tl.arange(0, BK)).to(tl.int64)
        x = tl.load(a + (rows[:, None] * stride_am + depth[None, :] * stride_ak))
        y = tl.load(b + (depth[:, None] * stride_bk + columns[None, :] * stride_bn))
        total += tl.dot(x, y, out_dtype=SUM)
    depth = (whole + tl.arange(0, BK)).to(tl.int64)
    x = tl.load(a + (rows[:, None] * stride_am + depth[None, :] * stride_ak), mask=(depth < K)[None, :], other=0)
    y = tl.load(b + (depth[:, None] * stride_bk + columns[None, :] * stride_bn), mask=(depth < K)[:, None], other=0)
    total += tl.dot(x, y, out_dtype=SUM)
    rows = (pid_m * BM + tl.arange(0, BM)).to(tl.int64)
    columns = (pid_n * BN + tl.arange(0, BN)).to(tl.int64)
    mask = (rows < M)[:, None] & (columns < N)[None, :]
    tl.store(c + (rows[:, None] * stride_cm + columns[None, :] * stride_cn), total.to(c.dtype.element_ty), mask=mask)


@triton.jit
def addmm_kernel(
    a, b, bias, c, alpha, beta, M, N, K, stride_am, stride_ak, stride_bk, stride_bn, stride_im, stride_in, stride_cm,
    stride_cn, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    batch = tl.program_id(2)
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    depth = tl.arange(0, BK)
    left = a + batch * M * K + (rows[:, None] * stride_am + depth[None, :] * stride_ak)
    right = b + batch * K * N + (depth[:, None] * stride_bk + columns[None, :] * stride_bn)
    total = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, tl.cdiv(K, BK)):
        x = tl.load(left, mask=(rows[:, None] < M) & (depth[None, :] < K - k * BK), other=0.0)
        y = tl.load(right, mask=(depth[:, None] < K - k * BK) & (columns[None, :] < N), other=0.0)
        total += tl.dot(x, y)
        left += BK * stride_ak
        right += BK * stride_bk
    mask = (rows[:, None] < M) & (columns[None, :] < N)
    added = tl.load(bias + stride_im * rows[:, None] + stride_in * columns[None, :], mask=mask, other=0.0)
    total = total * alpha + added * beta
    place = c + batch * M * N + stride_cm * rows[:, None] + stride_cn * columns[None, :]
    tl.store(place, total.to(c.dtype.element_ty), mask=mask)


@triton.jit
def attention_kernel(
    q, k, v, out, scale, tokens, stride_head, BM: tl.constexpr, BN: tl.constexpr, D: tl.constexpr, CAUSAL: tl.constexpr
):
    start, head = tl.program_id(0), tl.program_id(1)
    q += head * stride_head
    k += head * stride_head
    v += head * stride_head
    rows = start * BM + tl.arange(0, BM)
    columns = tl.arange(0, BN)
    dims = tl.arange(0, D)
    x = tl.load(q + rows[:, None] * D + dims[None, :])
    highest = tl.full((BM,), -float("inf"), dtype=tl.float32)
    total = tl.zeros((BM,), dtype=tl.float32)
    sums = tl.zeros((BM, D), dtype=tl.float32)
    scale *= 1.44269504
    stop = (start + 1) * BM if CAUSAL else tokens
    for at in range(0, stop, BN):
        y = tl.load(k + (at + columns)[:, None] * D + dims[None, :])
        scores = tl.dot(x, tl.trans(y)) * scale
        if CAUSAL:
            scores = tl.where(rows[:, None] >= (at + columns)[None, :], scores, -1.0e6)
        now = tl.maximum(highest, tl.max(scores, 1))
        weights = tl.math.exp2(scores - now[:, None])
        shrink = tl.math.exp2(highest - now)
        total = total * shrink + tl.sum(weights, 1)
        sums = sums * shrink[:, None]
        z = tl.load(v + (at + columns)[:, None] * D + dims[None, :])
        sums = tl.dot(weights.to(z.dtype), z, sums)
        highest = now
    place = out + head * stride_head + rows[:, None] * D + dims[None, :]
    tl.store(place, (sums / total[:, None]).to(out.dtype.element_ty))


@triton.jit
def gemv_kernel(x, w, out, N, K, stride, BN: tl.constexpr, BK: tl.constexpr):
    rows = tl.program_id(0) * BN + tl.arange(0, BN)
    depth = tl.arange(0, BK)
    mask = (rows[:, None] < N) & (depth[None, :] < K)
    a = tl.load(w + rows[:, None] * stride + depth[None, :], mask=mask, other=0.0).to(tl.float32)
    b = tl.load(x + depth, mask=depth < K, other=0.0).to(tl.float32)
    tl.store(out + rows, tl.sum(a * b[None, :], 1), mask=rows < N)


def report(name: str, ours: Callable[[], object], rival: Callable[[], object], work: float) -> float:
    """Prints 1e9 units of work a second of both; returns the ratio."""
    mine, theirs = compare(ours, rival, 11)
    print(
        f"{name:32} {work / mine / 1e9:8.1f}  torch {work / theirs / 1e9:8.1f}  ratio {theirs / mine:5.2f}", flush=True
    )
    return theirs / mine


def geomean(name: str, ratios: Iterable[float]) -> None:
    values = list(ratios)
    mean = math.exp(sum(map(math.log, values)) / len(values))
    print(f"{name:32} geomean {mean:5.2f}, {min(values):.2f} to {max(values):.2f}\n", flush=True)


def product(kernel: object, m: int, n: int, k: int, dtype: torch.dtype, transposed: bool = False) -> float:
    if dtype == torch.int8:
        a, b = torch.randint(-128, 128, (m, k), dtype=dtype), torch.randint(-128, 128, (k, n), dtype=dtype)
        c, total = torch.empty(m, n, dtype=torch.int32), tl.int32
        rival = partial(torch._int_mm, a, b, out=torch.empty_like(c))
    else:
        a, b = torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype)
        b = b.t().contiguous().t() if transposed else b
        c, total = torch.empty(m, n, dtype=dtype), tl.float32
        rival = partial(torch.mm, a, b, out=torch.empty_like(c))
    grid = (triton.cdiv(m, BLOCKS["BM"]) * triton.cdiv(n, BLOCKS["BN"]),)
    ours = partial(kernel[grid], a, b, c, m, n, k, *a.stride(), *b.stride(), *c.stride(), **BLOCKS, GROUP=8, SUM=total)
    ours()
    tolerance = {torch.float32: 1e-4, torch.bfloat16: 2e-2, torch.float16: 2e-3, torch.int8: 0}[dtype]
    torch.testing.assert_close(c, rival(), rtol=tolerance, atol=tolerance * math.sqrt(k))
    size = "x".join(map(str, sorted({m, n, k})))
    name = f"{kernel.__name__[:-7]} {size} {str(dtype)[6:]}{' [N,K]' if transposed else ''}"
    return report(name, ours, rival, 2.0 * m * n * k)


def mm() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        for kernel in (mm_kernel, peeled_kernel):
            geomean(f"{kernel.__name__[:-7]} {dtype}", [product(kernel, n, n, n, dtype) for n in SIZES])
        geomean(f"[N,K] {dtype}", [product(mm_kernel, n, n, n, dtype, True) for n in SIZES])


def int8() -> None:
    geomean("int8", [product(mm_kernel, n, n, n, torch.int8) for n in SIZES])


def edges() -> None:
    for dtype in (torch.float32, torch.bfloat16, torch.int8):
        geomean(f"edges {dtype}", [product(mm_kernel, n, n, n, dtype) for n in (250, 300, 509, 1001, 2001)])


def addmm() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        ratios = []
        for n in SIZES:
            a, b, bias = (torch.randn(n, n).to(dtype) for _ in range(3))
            c, want = torch.empty_like(a), torch.empty_like(a)
            grid = (triton.cdiv(n, BLOCKS["BM"]), triton.cdiv(n, BLOCKS["BN"]))
            strides = (*a.stride(), *b.stride(), *bias.stride(), *c.stride())
            ours = partial(addmm_kernel[grid], a, b, bias, c, 1.0, 1.0, n, n, n, *strides, **BLOCKS)
            ratios.append(report(f"addmm {n} {dtype}", ours, partial(torch.addmm, bias, a, b, out=want), 2.0 * n**3))
            torch.testing.assert_close(c, want, rtol=2e-2, atol=2e-2 * math.sqrt(n))
        geomean(f"addmm {dtype}", ratios)


def bmm() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        ratios = []
        for n in SIZES[:3]:
            a, b = (torch.randn(4, n, n).to(dtype) for _ in range(2))
            c, want = torch.empty_like(a), torch.empty_like(a)
            zero = torch.zeros(1)
            grid = (triton.cdiv(n, BLOCKS["BM"]), triton.cdiv(n, BLOCKS["BN"]), 4)
            strides = (*a.stride()[1:], *b.stride()[1:], 0, 0, *c.stride()[1:])
            ours = partial(addmm_kernel[grid], a, b, zero, c, 1.0, 0.0, n, n, n, *strides, **BLOCKS)
            ratios.append(report(f"bmm 4x{n} {dtype}", ours, partial(torch.bmm, a, b, out=want), 8.0 * n**3))
            torch.testing.assert_close(c, want, rtol=2e-2, atol=2e-2 * math.sqrt(n))
        geomean(f"bmm {dtype}", ratios)


def attention() -> None:
    heads, tokens, width = 8, 1024, 64
    for dtype in (torch.float32, torch.bfloat16):
        for causal in (False, True):
            q, k, v = (torch.randn(1, heads, tokens, width).to(dtype) for _ in range(3))
            out = torch.empty_like(q)
            for block in (64, 128):
                ours = partial(
                    attention_kernel[(tokens // block, heads)], q, k, v, out, width**-0.5, tokens, tokens * width,
                    BM=block, BN=64, D=width, CAUSAL=causal,
                )  # fmt: skip
                rival = partial(torch.nn.functional.scaled_dot_product_attention, q, k, v, is_causal=causal)
                ours()
                torch.testing.assert_close(out, rival(), rtol=2e-2, atol=2e-2)
                name = f"attention {block}x64 {'causal ' if causal else ''}{str(dtype)[6:]}"
                report(name, ours, rival, 4.0 * heads * tokens * tokens * width / (2 if causal else 1))


def gemv() -> None:
    n = 4096
    for dtype in (torch.float32, torch.bfloat16):
        x, w = torch.randn(1, n).to(dtype), torch.randn(n, n).to(dtype)
        out = torch.empty(1, n, dtype=dtype)
        rival = partial(torch.nn.functional.linear, x, w)
        size = float(w.nbytes)
        ours = partial(gemv_kernel[(n // 4,)], x, w, out, n, n, n, BN=4, BK=n)
        ours()
        torch.testing.assert_close(out, rival(), rtol=2e-2, atol=0.5)
        report(f"gemv sum {str(dtype)[6:]} (bytes)", ours, rival, size)
        grid = (n // 128,)
        strides = (*x.stride(), *w.t().stride(), *out.stride())
        ours = partial(
            mm_kernel[grid], x, w.t(), out, 1, n, n, *strides, BM=16, BN=128, BK=128, GROUP=8, SUM=tl.float32
        )
        ours()
        torch.testing.assert_close(out, rival(), rtol=2e-2, atol=0.5)
        report(f"gemv dot {str(dtype)[6:]} (bytes)", ours, rival, size)


def main() -> None:
    torch.set_num_threads(1)
    sections = {
        "mm": mm,
        "int8": int8,
        "edges": edges,
        "addmm": addmm,
        "bmm": bmm,
        "attention": attention,
        "gemv": gemv,
    }
    for name in sys.argv[1:] or sections:
        sections[name]()


if __name__ == "__main__":
    main()
