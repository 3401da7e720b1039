"""Triton kernels over rows and columns, as tutorials, FlagGems and Inductor write them: a program a row with a block of
the next power of two, loops over a long row, tiles of [columns, rows] for the first axis, two steps for all elements.

They are what benchmarks/triton_rows.py measures. `n` is the length of a row, which is also the stride between rows.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def softmax_kernel(x, out, n, LOG: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    c = tl.arange(0, BLOCK)
    v = tl.load(x + row * n + c, mask=c < n, other=-float("inf")).to(tl.float32)
    v = v - tl.max(v, axis=0)
    e = tl.exp(v)
    result = v - tl.log(tl.sum(e, axis=0)) if LOG else e / tl.sum(e, axis=0)
    tl.store(out + row * n + c, result.to(out.dtype.element_ty), mask=c < n)


@triton.jit
def softmax_looped_kernel(x, out, n, LOG: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    x += row * n
    out += row * n
    highest = tl.full((BLOCK,), -float("inf"), dtype=tl.float32)
    for at in range(0, n, BLOCK):
        c = at + tl.arange(0, BLOCK)
        highest = tl.maximum(highest, tl.load(x + c, mask=c < n, other=-float("inf")).to(tl.float32))
    top = tl.max(highest, axis=0)
    sums = tl.zeros((BLOCK,), dtype=tl.float32)
    for at in range(0, n, BLOCK):
        c = at + tl.arange(0, BLOCK)
        sums += tl.exp(tl.load(x + c, mask=c < n, other=-float("inf")).to(tl.float32) - top)
    total = tl.sum(sums, axis=0)
    for at in range(0, n, BLOCK):
        c = at + tl.arange(0, BLOCK)
        v = tl.load(x + c, mask=c < n, other=-float("inf")).to(tl.float32) - top
        result = v - tl.log(total) if LOG else tl.exp(v) / total
        tl.store(out + c, result.to(out.dtype.element_ty), mask=c < n)


@triton.jit
def layer_norm_kernel(x, w, b, out, n, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    c = tl.arange(0, BLOCK)
    mask = c < n
    v = tl.load(x + row * n + c, mask=mask, other=0.0).to(tl.float32)
    mean = tl.sum(v, axis=0) / n
    d = tl.where(mask, v - mean, 0.0)
    rstd = 1 / tl.sqrt(tl.sum(d * d, axis=0) / n + eps)
    scale = tl.load(w + c, mask=mask).to(tl.float32)
    shift = tl.load(b + c, mask=mask).to(tl.float32)
    tl.store(out + row * n + c, (d * rstd * scale + shift).to(out.dtype.element_ty), mask=mask)


@triton.jit
def layer_norm_looped_kernel(x, w, b, out, n, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    x += row * n
    out += row * n
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    for at in range(0, n, BLOCK):
        c = at + tl.arange(0, BLOCK)
        total += tl.load(x + c, mask=c < n, other=0.0).to(tl.float32)
    mean = tl.sum(total, axis=0) / n
    squares = tl.zeros((BLOCK,), dtype=tl.float32)
    for at in range(0, n, BLOCK):
        c = at + tl.arange(0, BLOCK)
        d = tl.where(c < n, tl.load(x + c, mask=c < n, other=0.0).to(tl.float32) - mean, 0.0)
        squares += d * d
    rstd = 1 / tl.sqrt(tl.sum(squares, axis=0) / n + eps)
    for at in range(0, n, BLOCK):
        c = at + tl.arange(0, BLOCK)
        v = tl.load(x + c, mask=c < n, other=0.0).to(tl.float32)
        scale = tl.load(w + c, mask=c < n).to(tl.float32)
        shift = tl.load(b + c, mask=c < n).to(tl.float32)
        tl.store(out + c, ((v - mean) * rstd * scale + shift).to(out.dtype.element_ty), mask=c < n)


@triton.jit
def rms_norm_kernel(x, w, out, n, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    c = tl.arange(0, BLOCK)
    v = tl.load(x + row * n + c, mask=c < n, other=0.0).to(tl.float32)
    rrms = 1 / tl.sqrt(tl.sum(v * v, axis=0) / n + eps)
    scale = tl.load(w + c, mask=c < n, other=0.0).to(tl.float32)
    tl.store(out + row * n + c, (v * rrms * scale).to(out.dtype.element_ty), mask=c < n)


@triton.jit
def rms_norm_looped_kernel(x, w, out, n, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    x += row * n
    out += row * n
    squares = tl.zeros((BLOCK,), dtype=tl.float32)
    for at in range(0, n, BLOCK):
        c = at + tl.arange(0, BLOCK)
        v = tl.load(x + c, mask=c < n, other=0.0).to(tl.float32)
        squares += v * v
    rrms = 1 / tl.sqrt(tl.sum(squares, axis=0) / n + eps)
    for at in range(0, n, BLOCK):
        c = at + tl.arange(0, BLOCK)
        v = tl.load(x + c, mask=c < n, other=0.0).to(tl.float32)
        scale = tl.load(w + c, mask=c < n).to(tl.float32)
        tl.store(out + c, (v * rrms * scale).to(out.dtype.element_ty), mask=c < n)


@triton.jit
def cross_entropy_kernel(x, labels, loss, n, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    c = tl.arange(0, BLOCK)
    v = tl.load(x + row * n + c, mask=c < n, other=-float("inf")).to(tl.float32)
    top = tl.max(v, axis=0)
    total = tl.sum(tl.exp(v - top), axis=0)
    label = tl.load(labels + row)
    chosen = tl.load(x + row * n + label).to(tl.float32)
    tl.store(loss + row, (top + tl.log(total) - chosen).to(loss.dtype.element_ty))


@triton.jit
def cross_entropy_looped_kernel(x, labels, loss, n, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    x += row * n
    top = -float("inf")
    total = 0.0
    for at in range(0, n, BLOCK):
        c = at + tl.arange(0, BLOCK)
        v = tl.load(x + c, mask=c < n, other=-float("inf")).to(tl.float32)
        now = tl.maximum(top, tl.max(v, axis=0))
        total = total * tl.exp(top - now) + tl.sum(tl.exp(v - now), axis=0)
        top = now
    chosen = tl.load(x + tl.load(labels + row)).to(tl.float32)
    tl.store(loss + row, (top + tl.log(total) - chosen).to(loss.dtype.element_ty))


@triton.jit
def reduce_rows_kernel(x, out, n, WHICH: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    c = tl.arange(0, BLOCK)
    if WHICH == "sum":
        result = tl.sum(tl.load(x + row * n + c, mask=c < n, other=0.0), axis=0)
    elif WHICH == "max":
        result = tl.max(tl.load(x + row * n + c, mask=c < n, other=-float("inf")), axis=0)
    else:
        result = tl.argmax(tl.load(x + row * n + c, mask=c < n, other=-float("inf")), axis=0)
    tl.store(out + row, result)


@triton.jit
def cumsum_rows_kernel(x, out, n, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    c = tl.arange(0, BLOCK)
    v = tl.load(x + row * n + c, mask=c < n, other=0.0)
    tl.store(out + row * n + c, tl.cumsum(v, axis=0), mask=c < n)


@triton.jit
def larger(a, i, b, j):
    keep = (a > b) | ((a == b) & (i < j))
    return tl.where(keep, a, b), tl.where(keep, i, j)


@triton.jit
def reduce_columns_kernel(x, out, rows, n, WHICH: tl.constexpr, XBLOCK: tl.constexpr, RBLOCK: tl.constexpr):
    columns = tl.program_id(0) * XBLOCK + tl.arange(0, XBLOCK)[:, None]
    if WHICH == "sum":
        best = tl.full((XBLOCK, RBLOCK), 0.0, tl.float32)
    else:
        best = tl.full((XBLOCK, RBLOCK), -float("inf"), tl.float32)
    where = tl.full((XBLOCK, RBLOCK), 0, tl.int32)
    for at in range(0, rows, RBLOCK):
        r = at + tl.arange(0, RBLOCK)[None, :]
        mask = (r < rows) & (columns < n)
        if WHICH == "sum":
            v = tl.load(x + (columns + n * r), mask=mask, other=0.0)
            best = tl.where(mask, best + v, best)
        elif WHICH == "max":
            v = tl.load(x + (columns + n * r), mask=mask, other=-float("inf"))
            best = tl.where(mask, tl.maximum(best, v), best)
        else:
            v = tl.load(x + (columns + n * r), mask=mask, other=-float("inf"))
            better = mask & (v > best)
            best = tl.where(better, v, best)
            where = tl.where(better, r, where)
    if WHICH == "sum":
        result = tl.sum(best, 1)[:, None]
    elif WHICH == "max":
        result = tl.max(best, 1)[:, None]
    else:
        result = tl.reduce((best, where), 1, larger)[1][:, None]
    tl.store(out + columns, result, mask=columns < n)


@triton.jit
def cumsum_columns_kernel(x, out, rows, n, XBLOCK: tl.constexpr, RBLOCK: tl.constexpr):
    columns = tl.program_id(0) * XBLOCK + tl.arange(0, XBLOCK)[None, :]
    before = tl.zeros((1, XBLOCK), dtype=tl.float32)
    for at in range(0, rows, RBLOCK):
        r = at + tl.arange(0, RBLOCK)[:, None]
        mask = (r < rows) & (columns < n)
        v = tl.load(x + r * n + columns, mask=mask, other=0.0)
        tl.store(out + r * n + columns, tl.cumsum(v, axis=0) + before, mask=mask)
        before += tl.sum(v, axis=0, keep_dims=True)


@triton.jit
def reduce_part_kernel(x, middle, places, n, WHICH: tl.constexpr, BLOCK: tl.constexpr):
    pid = tl.program_id(0)
    i = pid * BLOCK + tl.arange(0, BLOCK)
    if WHICH == "sum":
        tl.store(middle + pid, tl.sum(tl.load(x + i, mask=i < n, other=0.0), axis=0))
    elif WHICH == "max":
        tl.store(middle + pid, tl.max(tl.load(x + i, mask=i < n, other=-float("inf")), axis=0))
    else:
        value, index = tl.max(tl.load(x + i, mask=i < n, other=-float("inf")), axis=0, return_indices=True)
        tl.store(middle + pid, value)
        tl.store(places + pid, index + pid * BLOCK)


@triton.jit
def reduce_parts_kernel(middle, places, out, parts, WHICH: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    if WHICH == "sum":
        tl.store(out, tl.sum(tl.load(middle + i, mask=i < parts, other=0.0), axis=0))
    elif WHICH == "max":
        tl.store(out, tl.max(tl.load(middle + i, mask=i < parts, other=-float("inf")), axis=0))
    else:
        part = tl.argmax(tl.load(middle + i, mask=i < parts, other=-float("inf")), axis=0)
        tl.store(out, tl.load(places + part))
