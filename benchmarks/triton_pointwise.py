"""Pointwise, transposed and indexed Triton kernels on the CPU against PyTorch's operators: part `pointwise`.

The kernels have the forms that people and libraries write: blocks of 1024 in one dimension, tiles of two with strides
as arguments, Inductor's flat index taken apart by `//` and `%`. They are launched as compiled kernels: what
`kernel[grid]` adds in Python to find one is the part `launch`. Both sides write the same output, allocated before. Each
row stands once with one thread, held to a limit, and once with two, told only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import torch
import triton
import triton.language as tl
from triton.language.extra import libdevice

from .measure import Ratio, Work, geometric_mean, launch, ratio

COUNT = 1 << 20
ROW_LIMIT, TILE_LIMIT, MEAN_LIMIT = 1 / 0.9, 1 / 0.85, 1 / 1.2


@triton.jit
def unary_kernel(x, out, n, WHICH: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    loaded = tl.load(x + i, mask=mask)
    v = loaded.to(tl.float32)
    if WHICH == "neg":
        r = -loaded
    elif WHICH == "abs":
        r = tl.abs(loaded)
    elif WHICH == "exp":
        r = tl.exp(v)
    elif WHICH == "log":
        r = tl.log(v)
    elif WHICH == "log1p":
        r = libdevice.log1p(v)
    elif WHICH == "sqrt":
        r = tl.sqrt(v)
    elif WHICH == "rsqrt":
        r = tl.rsqrt(v)
    elif WHICH == "sin":
        r = tl.sin(v)
    elif WHICH == "cos":
        r = tl.cos(v)
    elif WHICH == "tanh":
        r = libdevice.tanh(v)
    elif WHICH == "sigmoid":
        r = tl.sigmoid(v)
    elif WHICH == "relu":
        r = tl.maximum(v, 0)
    elif WHICH == "gelu-erf":
        r = 0.5 * v * (1 + tl.erf(v * 0.7071067811865476))
    elif WHICH == "gelu-tanh":
        r = 0.5 * v * (1 + libdevice.tanh(v * 0.7978845608028654 * (1 + 0.044715 * v * v)))
    elif WHICH == "silu":
        r = v * tl.sigmoid(v)
    elif WHICH == "leaky_relu":
        r = tl.where(v > 0, v, v * 0.01)
    elif WHICH == "elu":
        r = tl.where(v > 0, v, libdevice.expm1(v))
    elif WHICH == "clamp":
        r = tl.clamp(v, -0.5, 0.5)
    elif WHICH == "floor":
        r = tl.floor(v)
    else:
        tl.static_assert(WHICH == "erf")
        r = tl.erf(v)
    tl.store(out + i, r, mask=mask)


@triton.jit
def binary_kernel(x, y, out, n, WHICH: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    a = tl.load(x + i, mask=mask)
    b = tl.load(y + i, mask=mask)
    if WHICH == "add":
        r = a + b
    elif WHICH == "sub":
        r = a - b
    elif WHICH == "mul":
        r = a * b
    elif WHICH == "div":
        r = a / b
    elif WHICH == "pow":
        r = libdevice.pow(a, b)
    elif WHICH == "maximum":
        r = tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)
    else:
        tl.static_assert(WHICH == "eq")
        r = a == b
    tl.store(out + i, r, mask=mask)


@triton.jit
def ternary_kernel(x, y, z, out, n, WHICH: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    a = tl.load(x + i, mask=mask)
    b = tl.load(y + i, mask=mask)
    c = tl.load(z + i, mask=mask)
    if WHICH == "where":
        r = tl.where(a, b, c)
    elif WHICH == "addcmul":
        r = a + 0.5 * b * c
    else:
        tl.static_assert(WHICH == "lerp")
        r = tl.where(tl.abs(c) < 0.5, a + c * (b - a), b - (b - a) * (1 - c))
    tl.store(out + i, r, mask=mask)


@triton.jit
def tile_add_kernel(
    x, y, out, M, N, x_row, x_column, y_row, y_column, out_row, out_column, BM: tl.constexpr, BN: tl.constexpr
):
    """out = x + y by strides: a transposed operand, or one with a stride of zero."""
    rows = (tl.program_id(0) * BM + tl.arange(0, BM))[:, None]
    columns = (tl.program_id(1) * BN + tl.arange(0, BN))[None, :]
    mask = (rows < M) & (columns < N)
    a = tl.load(x + rows * x_row + columns * x_column, mask=mask)
    b = tl.load(y + rows * y_row + columns * y_column, mask=mask)
    tl.store(out + rows * out_row + columns * out_column, a + b, mask=mask)


@triton.jit
def transpose_kernel(x, out, M, N, BM: tl.constexpr, BN: tl.constexpr):
    """out[n, m] = x[m, n], by the transposed block."""
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    tile = tl.load(x + rows[:, None] * N + columns[None, :], mask=(rows[:, None] < M) & (columns[None, :] < N))
    mask = (columns[:, None] < N) & (rows[None, :] < M)
    tl.store(out + columns[:, None] * M + rows[None, :], tl.trans(tile), mask=mask)


@triton.jit
def rows_kernel(x, index, out, M, N, BM: tl.constexpr, BN: tl.constexpr):
    """out[m] = x[index[m]] in tiles."""
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    source = tl.load(index + rows, mask=rows < M, other=0)
    mask = (rows[:, None] < M) & (columns[None, :] < N)
    tile = tl.load(x + source[:, None] * N + columns[None, :], mask=mask)
    tl.store(out + rows[:, None] * N + columns[None, :], tile, mask=mask)


@triton.jit
def flat_rows_kernel(x, index, out, n, N: tl.constexpr, BLOCK: tl.constexpr):
    """The same over flat positions, as Inductor writes it."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)[:]
    mask = i < n
    source = tl.load(index + i // N, mask=mask, eviction_policy="evict_last")
    tl.store(out + i, tl.load(x + (i % N + N * source), mask=mask), mask=mask)


@triton.jit
def permute_kernel(x, out, n, B: tl.constexpr, C: tl.constexpr, A: tl.constexpr, BLOCK: tl.constexpr):
    """out[b, a, c] = x[a, b, c] over flat positions, as Inductor writes it."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)[:]
    mask = i < n
    c, a, b = i % C, (i // C) % A, i // (C * A)
    tl.store(out + i, tl.load(x + (c + C * b + C * B * a), mask=mask), mask=mask)


Pair = tuple[Work, Work]  # ours, PyTorch's


def elementwise(dtype: torch.dtype) -> dict[str, Pair]:
    """The operators over 1 M elements of a type."""
    x, y, z, out = (torch.randn(COUNT).to(dtype) for _ in range(4))
    positive = x.abs() + 0.01
    condition, equal = x > 0, torch.empty(COUNT, dtype=torch.bool)
    grid, aten = (triton.cdiv(COUNT, 1024),), torch.ops.aten

    def one(which: str, rival: Callable[..., object], source: torch.Tensor = x) -> Pair:
        ours = launch(unary_kernel, grid, source, out, COUNT, WHICH=which, BLOCK=1024)
        return ours, partial(rival, source, out=out)

    def two(which: str, rival: Callable[..., object], a: torch.Tensor = x, into: torch.Tensor = out) -> Pair:
        ours = launch(binary_kernel, grid, a, y, into, COUNT, WHICH=which, BLOCK=1024)
        return ours, partial(rival, a, y, out=into)

    def three(which: str, rival: Callable[..., object], a: torch.Tensor = x) -> Pair:
        return launch(ternary_kernel, grid, a, y, z, out, COUNT, WHICH=which, BLOCK=1024), rival

    return {
        "add": two("add", torch.add),
        "sub": two("sub", torch.sub),
        "mul": two("mul", torch.mul),
        "div": two("div", torch.div),
        "neg": one("neg", torch.neg),
        "abs": one("abs", torch.abs),
        "exp": one("exp", torch.exp),
        "log": one("log", torch.log, positive),
        "log1p": one("log1p", torch.log1p, positive),
        "sqrt": one("sqrt", torch.sqrt, positive),
        "rsqrt": one("rsqrt", torch.rsqrt, positive),
        "sin": one("sin", torch.sin),
        "cos": one("cos", torch.cos),
        "tanh": one("tanh", torch.tanh),
        "sigmoid": one("sigmoid", torch.sigmoid),
        # relu.out is relu and a copy
        "relu": one("relu", partial(torch.clamp_min, min=0)),
        "gelu-erf": one("gelu-erf", aten.gelu.out),
        "gelu-tanh": one("gelu-tanh", partial(aten.gelu.out, approximate="tanh")),
        "silu": one("silu", aten.silu.out),
        "leaky_relu": one("leaky_relu", aten.leaky_relu.out),
        "elu": one("elu", aten.elu.out),
        "pow": two("pow", torch.pow, positive),
        "maximum": two("maximum", torch.maximum),
        "where": three("where", partial(torch.where, condition, y, z, out=out), condition),
        "clamp": one("clamp", partial(torch.clamp, min=-0.5, max=0.5)),
        "eq": two("eq", torch.eq, into=equal),
        "floor": one("floor", torch.floor),
        "erf": one("erf", torch.erf),
        "addcmul": three("addcmul", partial(torch.addcmul, x, y, z, value=0.5, out=out)),
        "lerp": three("lerp", partial(torch.lerp, x, y, z, out=out)),
    }


def tiles(side: int) -> dict[str, Pair]:
    """Operands that are transposed, repeated or indexed, side x side floats."""
    x, y, out = (torch.randn(side, side) for _ in range(3))
    row, index = torch.randn(side), torch.randint(0, side, (side,))
    size, blocks = side * side, {"BM": 64, "BN": 64}
    grid, flat = (triton.cdiv(side, 64), triton.cdiv(side, 64)), (triton.cdiv(size, 1024),)

    def added(a: torch.Tensor, b: torch.Tensor) -> Pair:
        strides = (*a.stride(), *b.expand(side, side).stride(), *out.stride())
        ours = launch(tile_add_kernel, grid, a, b, out, side, side, *strides, **blocks)
        return ours, partial(torch.add, a, b, out=out)

    a, c = side // 8, 64
    b = size // (a * c)
    cube, turned = x.view(a, b, c), out.view(b, a, c)
    return {
        "transposed add": added(x, y.t()),
        "broadcast add": added(x, row),
        "index_select": (
            launch(rows_kernel, grid, x, index, out, side, side, **blocks),
            partial(torch.index_select, x, 0, index, out=out),
        ),
        "index_select, flat": (
            launch(flat_rows_kernel, flat, x, index, out, size, N=side, BLOCK=1024),
            partial(torch.index_select, x, 0, index, out=out),
        ),
        "transposed copy": (
            launch(transpose_kernel, grid, x, out, side, side, **blocks),
            partial(out.copy_, x.t()),
        ),
        "permute copy, flat": (
            launch(permute_kernel, flat, x, out, size, B=b, C=c, A=a, BLOCK=1024),
            partial(turned.copy_, cube.permute(1, 0, 2)),
        ),
    }


def families() -> Iterator[tuple[str, dict[str, Pair], float, int]]:
    """What is averaged: title, rows, the limit of each row, calls a timing."""
    yield "1 M fp32", elementwise(torch.float32), ROW_LIMIT, 4
    narrow = elementwise(torch.bfloat16)
    yield "1 M bf16", dict(list(narrow.items())[:10]), ROW_LIMIT, 4
    yield "2048 x 2048", tiles(2048), TILE_LIMIT, 1
    yield "256 x 256", tiles(256), TILE_LIMIT, 32


def run(pairs: int, only: str = "") -> Iterator[Ratio]:
    """Rows whose name holds `only`, and the means of those with one thread."""
    rows: dict[str, list[Ratio]] = {"pointwise": [], "tiles": []}
    for title, family, limit, calls in families():
        kind = "tiles" if " x " in title else "pointwise"
        for name, (ours, rival) in family.items():
            if only not in f"{name}, {title}":
                continue
            for threads in (1, 2):
                torch.set_num_threads(threads)
                row = ratio(
                    f"{name}, {title}" + (", 2 threads" if threads == 2 else ""),
                    ours,
                    rival,
                    calls=calls,
                    pairs=pairs,
                    limit=limit if threads == 1 else math.inf,
                    against="PyTorch's CPU operator",
                )
                if threads == 1:
                    rows[kind].append(row)
                yield row
    torch.set_num_threads(1)
    for kind, members in rows.items():
        if members:
            yield geometric_mean(f"{kind}, mean of {len(members)}", members, MEAN_LIMIT)
