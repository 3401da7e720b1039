"""Matrix products, attention and a matrix times a vector: Triton kernels on the CPU against PyTorch's own, one thread.

A figure is a group of cases, sizes mostly: the geometric mean of their ratios, ours over the rival's time. Each case is
timed in turns as everywhere here. The interval of a group is that of its cases' intervals, which is wider than its own.
Kernels are launched as compiled kernels: what Python adds to find one is the part `launch`.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .measure import Ratio, Work, launch, ratio

SIZES = (256, 512, 1024, 2048)
EDGES = {250: 256, 509: 512, 1001: 1024, 2001: 2048}  # no multiple of a block, and the neighbour that is one
BLOCKS = {"BM": 128, "BN": 128, "BK": 128}
LEAST_SECONDS = 2e-3  # that are timed at once
AS_FAST_AS = {"float32": 0.95, "bfloat16": 0.9, "int8": 0.95}  # PyTorch, by type
BESIDE_NEIGHBOURS = 0.85
ATTENTION = 1.0
BYTES_A_SECOND = {"float32": 1.0, "bfloat16": 1.5}  # of a matrix times a vector


@dataclass(frozen=True)
class Case:
    """Both sides of a comparison and what each of them does, in floating-point operations or bytes."""

    name: str
    ours: Work
    rival: Work
    work: float
    rival_work: float | None = None  # where it is not the same


@dataclass(frozen=True)
class Group:
    name: str
    limit: float  # of the geometric mean
    cases: Callable[[], Iterator[Case]]
    against: str = "torch"


def run(pairs: int, only: str) -> Iterator[dict[str, Any]]:
    """The figures of the groups whose names contain `only`, from a process of their own that has one thread."""
    command = [sys.executable, "-m", "benchmarks.products", str(pairs), only]
    environment = {**os.environ, "FLAGOS_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield from map(json.loads, process.stdout)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def show(figure: dict[str, Any]) -> str:
    bound = f"<= {figure['limit']:.3f}"
    lines = [
        f"{figure['name']:34} {figure['ratio']:7.3f}  [{figure['low']:.3f}, {figure['high']:.3f}] geomean "
        f"against {figure['rival']:21} {bound:20} {'ok' if figure['within'] else 'OVER'}"
    ]
    lines += [
        f"    {name:30} {case['ratio']:7.3f}  [{case['low']:.3f}, {case['high']:.3f}] {case['ours']:12.1f} "
        f"{case['rival']:12.1f}  G/s"
        for name, case in figure["each"].items()
    ]
    return "\n".join(lines)


def _figure(group: Group, pairs: int) -> dict[str, Any]:
    each: dict[str, dict[str, float]] = {}
    for case in group.cases():
        timed = _ratio(case, group.limit, pairs)
        each[case.name] = {
            "ratio": timed.median,
            "low": timed.low,
            "high": timed.high,
            "ours": case.work / timed.ours_us / 1e3,
            "rival": (case.rival_work or case.work) / timed.rival_us / 1e3,
        }
    mean, low, high = (
        math.exp(sum(math.log(case[key]) for case in each.values()) / len(each)) for key in ("ratio", "low", "high")
    )
    return {
        "name": group.name,
        "rival": group.against,
        "ratio": mean,
        "low": low,
        "high": high,
        "limit": group.limit,
        "within": mean <= group.limit,
        "each": each,
    }


def _ratio(case: Case, limit: float, pairs: int) -> Ratio:
    once = ratio(case.name, case.ours, case.rival, calls=1, pairs=3, limit=limit)
    calls = math.ceil(LEAST_SECONDS * 1e6 / once.ours_us)
    timed = ratio(case.name, case.ours, case.rival, calls=calls, pairs=pairs, limit=limit)
    scale = (case.rival_work or case.work) / case.work
    return replace(timed, median=timed.median * scale, low=timed.low * scale, high=timed.high * scale)


def _groups() -> Iterator[Group]:
    for name, least in AS_FAST_AS.items():
        limit = 1 / least
        yield Group(f"mm {name}", limit, partial(_mm, "mm", name))
        if name != "int8":
            yield Group(f"peeled mm {name}", limit, partial(_mm, "peeled", name))
            yield Group(f"[N,K] mm {name}", limit, partial(_mm, "mm", name, transposed=True))
            yield Group(f"addmm {name}", limit, partial(_addmm, name))
            yield Group(f"bmm {name}", limit, partial(_bmm, name))
        yield Group(f"edges {name}", limit, partial(_mm, "mm", name, sizes=tuple(EDGES)))
        yield Group(f"edges {name} beside", 1 / BESIDE_NEIGHBOURS, partial(_beside, name), "its neighbour")
    for name, least in BYTES_A_SECOND.items():
        yield Group(f"attention {name}", 1 / ATTENTION, partial(_attention, name))
        yield Group(f"vector sum {name}", 1 / least, partial(_vector_by_sum, name))
        yield Group(f"vector dot {name}", 1 / least, partial(_vector_by_dot, name))


def _product(kernel: str, name: str, n: int, transposed: bool = False) -> Case:
    """n x n times n x n, compared with PyTorch's result first."""
    import torch
    import triton
    import triton.language as tl

    from . import product_kernels

    dtype = getattr(torch, name)
    if dtype == torch.int8:
        a, b = (torch.randint(-128, 128, (n, n), dtype=dtype) for _ in range(2))
        c, total, multiply = torch.empty(n, n, dtype=torch.int32), tl.int32, torch._int_mm
    else:
        a, b = (torch.randn(n, n).to(dtype) for _ in range(2))
        b = b.t().contiguous().t() if transposed else b
        c, total, multiply = torch.empty(n, n, dtype=dtype), tl.float32, torch.mm
    grid = (triton.cdiv(n, BLOCKS["BM"]) * triton.cdiv(n, BLOCKS["BN"]),)
    operands = (a, b, c, n, n, n, *a.stride(), *b.stride(), *c.stride())
    ours = launch(getattr(product_kernels, f"{kernel}_kernel"), grid, *operands, **BLOCKS, GROUP=8, SUM=total)
    rival = partial(multiply, a, b, out=torch.empty_like(c))
    ours()
    _compare(c, rival(), n)
    return Case(str(n), ours, rival, 2.0 * n**3)


def _mm(kernel: str, name: str, sizes: tuple[int, ...] = SIZES, transposed: bool = False) -> Iterator[Case]:
    for n in sizes:
        yield _product(kernel, name, n, transposed)


def _beside(name: str) -> Iterator[Case]:
    for edge, whole in EDGES.items():
        ours, rival = _product("mm", name, edge), _product("mm", name, whole)
        yield Case(f"{edge} against {whole}", ours.ours, rival.ours, ours.work, rival.work)


def _addmm(name: str) -> Iterator[Case]:
    import torch
    import triton

    from .product_kernels import addmm_kernel

    for n in SIZES:
        a, b, bias = (torch.randn(n, n).to(getattr(torch, name)) for _ in range(3))
        c, want = torch.empty_like(a), torch.empty_like(a)
        grid = (triton.cdiv(n, BLOCKS["BM"]), triton.cdiv(n, BLOCKS["BN"]))
        strides = (*a.stride(), *b.stride(), *bias.stride(), *c.stride())
        ours = launch(addmm_kernel, grid, a, b, bias, c, 1.0, 1.0, n, n, n, *strides, **BLOCKS)
        rival = partial(torch.addmm, bias, a, b, out=want)
        ours()
        _compare(c, rival(), n)
        yield Case(str(n), ours, rival, 2.0 * n**3)


def _bmm(name: str) -> Iterator[Case]:
    import torch
    import triton

    from .product_kernels import bmm_kernel

    for n in SIZES:
        a, b = (torch.randn(4, n, n).to(getattr(torch, name)) for _ in range(2))
        c, want = torch.empty_like(a), torch.empty_like(a)
        grid = (triton.cdiv(n, BLOCKS["BM"]), triton.cdiv(n, BLOCKS["BN"]), 4)
        strides = (*a.stride()[1:], *b.stride()[1:], *c.stride()[1:])
        ours = launch(bmm_kernel, grid, a, b, c, n, n, n, *strides, **BLOCKS)
        rival = partial(torch.bmm, a, b, out=want)
        ours()
        _compare(c, rival(), n)
        yield Case(f"4 x {n}", ours, rival, 8.0 * n**3)


def _attention(name: str) -> Iterator[Case]:
    import torch

    from .product_kernels import attention_kernel

    heads, tokens, width = 8, 1024, 64
    for causal in (False, True):
        q, k, v = (torch.randn(1, heads, tokens, width).to(getattr(torch, name)) for _ in range(3))
        rival = partial(torch.nn.functional.scaled_dot_product_attention, q, k, v, is_causal=causal)
        for block in (64, 128):
            out = torch.empty_like(q)
            operands = (q, k, v, out, width**-0.5, tokens, tokens * width)
            grid = (tokens // block, heads)
            ours = launch(attention_kernel, grid, *operands, BM=block, BN=64, D=width, CAUSAL=causal)
            ours()
            torch.testing.assert_close(out, rival(), rtol=2e-2, atol=2e-2)
            work = 4.0 * heads * tokens * tokens * width / (2 if causal else 1)
            yield Case(f"{block} x 64{' causal' if causal else ''}", ours, rival, work)


def _vector(name: str) -> tuple[Any, ...]:
    """One row, [N, K] weights of 4096 x 4096, the output, PyTorch's linear, and the bytes of the weights."""
    import torch

    n, dtype = 4096, getattr(torch, name)
    x, w = torch.randn(1, n).to(dtype), torch.randn(n, n).to(dtype)
    return n, x, w, torch.empty(1, n, dtype=dtype), partial(torch.nn.functional.linear, x, w), float(w.nbytes)


def _vector_by_sum(name: str) -> Iterator[Case]:
    from .product_kernels import gemv_kernel

    n, x, w, out, rival, size = _vector(name)
    ours = launch(gemv_kernel, (n // 4,), x, w, out, n, n, n, BN=4, BK=n)
    ours()
    _compare(out, rival(), n)
    yield Case("tl.sum", ours, rival, size)


def _vector_by_dot(name: str) -> Iterator[Case]:
    import triton.language as tl

    from .product_kernels import mm_kernel

    n, x, w, out, rival, size = _vector(name)
    strides = (*x.stride(), *w.t().stride(), *out.stride())
    blocks = {"BM": 16, "BN": 128, "BK": 128}
    operands = (x, w.t(), out, 1, n, n, *strides)
    ours = launch(mm_kernel, (n // 128,), *operands, **blocks, GROUP=8, SUM=tl.float32)
    ours()
    _compare(out, rival(), n)
    yield Case("tl.dot", ours, rival, size)


def _compare(ours: Any, theirs: Any, depth: int) -> None:
    import torch

    tolerance = {torch.float32: 1e-4, torch.bfloat16: 2e-2, torch.int32: 0}[ours.dtype]
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance * math.sqrt(depth))


def main() -> None:
    import torch

    torch.set_num_threads(1)
    pairs, only = int(sys.argv[1]), sys.argv[2]
    for group in _groups():
        if only in group.name:
            print(json.dumps(_figure(group, pairs)), flush=True)


if __name__ == "__main__":
    main()
