"""Scans, dots, atomics, gathers and histograms."""

import itertools

import pytest
import torch
import triton
import triton.language as tl


@triton.jit
def scan_kernel(x, out, AXIS: tl.constexpr, REVERSE: tl.constexpr, M: tl.constexpr, N: tl.constexpr):
    index = tl.arange(0, M)[:, None] * N + tl.arange(0, N)[None, :]
    tl.store(out + index, tl.cumsum(tl.load(x + index), AXIS, reverse=REVERSE))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shape", [(1, 1), (1, 8), (4, 4), (2, 64), (64, 2), (16, 128)])
def test_cumsum(shape, axis, reverse):
    x = torch.randint(-50, 50, shape).float()
    out = torch.empty_like(x)
    scan_kernel[(1,)](x, out, AXIS=axis, REVERSE=reverse, M=shape[0], N=shape[1])
    expected = x.flip(axis).cumsum(axis).flip(axis) if reverse else x.cumsum(axis)
    assert torch.equal(out, expected)


@triton.jit
def turned_kernel(x, sums, prefixes, places, A, B, C, AXIS: tl.constexpr, ROUNDS: tl.constexpr):
    """Over 8 x 16 x 32 elements of strides A, B and C, several times, so that a block is carried round a loop."""
    i, j, k = tl.arange(0, 8)[:, None, None], tl.arange(0, 16)[None, :, None], tl.arange(0, 32)[None, None, :]
    inside = i * A + j * B + k * C
    total = tl.zeros((8, 16, 32), dtype=tl.float32)
    for at in range(ROUNDS):
        total += tl.load(x + at * 4096 + inside)
    tl.store(prefixes + inside, tl.cumsum(total, AXIS))
    best, where = tl.max(total, AXIS, return_indices=True)
    if AXIS == 0:
        rest = tl.arange(0, 16)[:, None] * 32 + tl.arange(0, 32)[None, :]
    elif AXIS == 1:
        rest = tl.arange(0, 8)[:, None] * 32 + tl.arange(0, 32)[None, :]
    else:
        rest = tl.arange(0, 8)[:, None] * 16 + tl.arange(0, 16)[None, :]
    tl.store(sums + rest, tl.sum(total, AXIS) + best)
    tl.store(places + rest, where)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_strips_run_along_any_dimension(order, axis):
    shape = (8, 16, 32)
    back = [order.index(d) for d in range(3)]
    stored = torch.randint(-99, 99, (3, *(shape[d] for d in order))).float()
    x = stored.permute(0, *(1 + d for d in back))  # 3 x 8 x 16 x 32, whose memory has another order
    prefixes = torch.empty_like(stored[0]).permute(*back)
    rest = [extent for d, extent in enumerate(shape) if d != axis]
    sums, places = torch.empty(rest), torch.empty(rest, dtype=torch.int32)
    turned_kernel[(1,)](stored, sums, prefixes, places, *x.stride()[1:], AXIS=axis, ROUNDS=3)
    total = x.sum(0)
    assert torch.equal(prefixes, total.cumsum(axis))
    assert torch.equal(sums, total.sum(axis) + total.amax(axis))
    assert torch.equal(places.long(), total.argmax(axis))


@triton.jit
def column_kernel(x, out, where, rows, n, LEAST: tl.constexpr, XBLOCK: tl.constexpr, RBLOCK: tl.constexpr):
    columns = tl.program_id(0) * XBLOCK + tl.arange(0, XBLOCK)[:, None]
    best = tl.full((XBLOCK, RBLOCK), LEAST, tl.float32)
    place = tl.full((XBLOCK, RBLOCK), 0, tl.int32)
    at = 0
    while at < rows:
        r = at + tl.arange(0, RBLOCK)[None, :]
        v = tl.load(x + (columns + n * r), mask=(r < rows) & (columns < n), other=LEAST)
        if tl.max(v) > LEAST:
            place = tl.where(v > best, r, place)
            best = tl.maximum(v, best)
        at += RBLOCK
    tl.store(out + columns, tl.max(best, 1)[:, None], mask=columns < n)
    tl.store(where + columns * RBLOCK + tl.arange(0, RBLOCK)[None, :], place, mask=columns < n)


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (64, 100), (33, 65)])
@pytest.mark.parametrize("blocks", [(64, 4), (8, 16), (2, 32), (4, 1)])
def test_columns_go_round_loops_and_through_branches(shape, blocks):
    rows, n = shape
    xblock, rblock = blocks
    x = torch.randperm(rows * n).view(rows, n).float()
    out, where = torch.empty(n), torch.empty(n, rblock, dtype=torch.int32)
    column_kernel[(triton.cdiv(n, xblock),)](x, out, where, rows, n, LEAST=-1.0, XBLOCK=xblock, RBLOCK=rblock)
    assert torch.equal(out, x.amax(0))
    padded = torch.nn.functional.pad(x, (0, 0, 0, -rows % rblock), value=-2)
    lanes = padded.view(-1, rblock, n)  # row at + r is lane r of step at / RBLOCK
    first = (lanes.argmax(0) * rblock + torch.arange(rblock)[:, None]) * (lanes.amax(0) >= 0)
    assert torch.equal(where.long(), first.T)


@triton.jit
def first_larger(a, i, b, j):
    keep = a >= b
    return tl.where(keep, a, b), tl.where(keep, i, j)


@triton.jit
def running_maximum_kernel(x, out, where, N: tl.constexpr):
    c = tl.arange(0, N)
    value, index = tl.associative_scan((tl.load(x + c), c), 0, first_larger)
    tl.store(out + c, value)
    tl.store(where + c, index)


@pytest.mark.parametrize("n", [2, 16, 256])
def test_a_scan_of_two_operands(n):
    x = torch.randperm(n).float()
    out, where = torch.empty(n), torch.empty(n, dtype=torch.int32)
    running_maximum_kernel[(1,)](x, out, where, N=n)
    expected = x.cummax(0)
    assert torch.equal(out, expected.values)
    assert torch.equal(where.long(), expected.indices)


@triton.jit
def matmul_kernel(
    a, b, c, M, N, K, stride_am, stride_ak, stride_bk, stride_bn, stride_cm, stride_cn,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    depth = tl.arange(0, BK)
    a_pointers = a + (rows % M)[:, None] * stride_am + depth[None, :] * stride_ak
    b_pointers = b + depth[:, None] * stride_bk + (columns % N)[None, :] * stride_bn
    total = tl.zeros((BM, BN), dtype=tl.int32 if a.dtype.element_ty == tl.int8 else tl.float32)
    for k in range(0, tl.cdiv(K, BK)):
        left = tl.load(a_pointers, mask=depth[None, :] < K - k * BK, other=0)
        right = tl.load(b_pointers, mask=depth[:, None] < K - k * BK, other=0)
        total = tl.dot(left, right, total, out_dtype=total.dtype)
        a_pointers += BK * stride_ak
        b_pointers += BK * stride_bk
    mask = (rows[:, None] < M) & (columns[None, :] < N)
    tl.store(c + rows[:, None] * stride_cm + columns[None, :] * stride_cn, total.to(c.dtype.element_ty), mask=mask)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int8])
@pytest.mark.parametrize("shape", [(1, 1, 1), (16, 16, 16), (64, 64, 64), (33, 70, 100), (128, 96, 40)])
def test_matmul(shape, dtype):
    m, n, k = shape
    if dtype == torch.int8:
        a, b = torch.randint(-128, 128, (m, k), dtype=dtype), torch.randint(-128, 128, (k, n), dtype=dtype)
        c = torch.empty(m, n, dtype=torch.int32)
        expected = (a.long() @ b.long()).int()
    else:
        a, b = torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype)
        c = torch.empty(m, n, dtype=dtype)
        expected = (a.double() @ b.double()).to(dtype)
    grid = (triton.cdiv(m, 32), triton.cdiv(n, 64))
    matmul_kernel[grid](a, b, c, m, n, k, *a.stride(), *b.stride(), *c.stride(), BM=32, BN=64, BK=32)
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 2e-3, torch.int8: 0}[dtype]
    torch.testing.assert_close(c, expected, rtol=tolerance, atol=tolerance * 4)


def test_matmul_of_a_transposed_factor():
    a, b, c = torch.randn(40, 50), torch.randn(60, 50).t(), torch.empty(40, 60)
    matmul_kernel[(2, 1)](a, b, c, 40, 60, 50, *a.stride(), *b.stride(), *c.stride(), BM=32, BN=64, BK=16)
    torch.testing.assert_close(c, a @ b, rtol=1e-5, atol=1e-5)


@triton.jit
def atomic_kernel(x, total, counts, largest, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    v = tl.load(x + i, mask=mask, other=0)
    tl.atomic_add(total, tl.sum(v))
    tl.atomic_add(counts + (v & 7), 1, mask=mask)
    tl.atomic_max(largest, tl.max(v))


def test_atomics_from_many_programs():
    x = torch.randint(0, 1000, (5000,), dtype=torch.int32)
    total, counts, largest = (torch.zeros(size, dtype=torch.int32) for size in (1, 8, 1))
    atomic_kernel[(20,)](x, total, counts, largest, 5000, BLOCK=256)
    assert total[0] == x.sum()
    assert largest[0] == x.max()
    assert torch.equal(counts.long(), torch.bincount(x & 7, minlength=8))


@triton.jit
def sum_kernel(x, total, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.atomic_add(total + i % 2, tl.load(x + i, mask=i < n, other=0.0), mask=i < n)


def test_no_bf16_sum_is_lost_between_programs():
    x, total = torch.ones(200, dtype=torch.bfloat16), torch.zeros(2, dtype=torch.bfloat16)
    sum_kernel[(50,)](x, total, 200, BLOCK=4)
    assert total.tolist() == [100.0, 100.0]


@triton.jit
def float_atomic_kernel(x, out, old, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    mask = i < n
    tl.store(old + i, tl.atomic_add(out + i % 4, tl.load(x + i, mask=mask), mask=mask), mask=mask)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_an_atomic_returns_what_was_there(dtype):
    x = torch.randint(0, 8, (10,)).to(dtype)
    out, old = torch.zeros(4, dtype=dtype), torch.empty(10, dtype=dtype)
    float_atomic_kernel[(1,)](x, out, old, 10, BLOCK=16)
    sums = [0.0] * 4
    for i, value in enumerate(x.tolist()):
        assert old[i] == sums[i % 4]
        sums[i % 4] += value
    assert out.tolist() == sums


@triton.jit
def lock_kernel(lock, total, BLOCK: tl.constexpr):
    while tl.atomic_cas(lock, 0, 1) == 1:
        pass
    i = tl.arange(0, BLOCK)
    tl.store(total + i, tl.load(total + i) + 1)
    tl.atomic_xchg(lock, 0)


def test_a_lock_made_of_compare_and_swap():
    lock, total = torch.zeros(1, dtype=torch.int32), torch.zeros(64)
    lock_kernel[(200,)](lock, total, BLOCK=64)
    assert total.tolist() == [200.0] * 64
    assert lock[0] == 0


@triton.jit
def gather_kernel(x, index, out, N: tl.constexpr, M: tl.constexpr):
    v = tl.load(x + tl.arange(0, N))
    i = tl.load(index + tl.arange(0, M))
    tl.store(out + tl.arange(0, M), tl.gather(v * 2, i, 0))


def test_gather_within_a_block():
    x, index = torch.randn(64), torch.randint(0, 64, (32,), dtype=torch.int32)
    out = torch.empty(32)
    gather_kernel[(1,)](x, index, out, N=64, M=32)
    assert torch.equal(out, x[index.long()] * 2)


@triton.jit
def histogram_kernel(x, out, N: tl.constexpr, BINS: tl.constexpr):
    tl.store(out + tl.arange(0, BINS), tl.histogram(tl.load(x + tl.arange(0, N)), BINS))


def test_histogram():
    x = torch.randint(0, 16, (512,), dtype=torch.int32)
    out = torch.empty(16, dtype=torch.int32)
    histogram_kernel[(1,)](x, out, N=512, BINS=16)
    assert torch.equal(out.long(), torch.bincount(x, minlength=16))


@triton.jit
def extremes_kernel(x, largest, smallest, n, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    c = tl.arange(0, BLOCK)
    nan = float("nan")
    tl.store(largest + row, tl.max(tl.load(x + row * n + c, mask=c < n, other=nan), axis=0))
    tl.store(smallest + row, tl.min(tl.load(x + row * n + c, mask=c < n, other=nan), axis=0))


@pytest.mark.parametrize("n", [1, 16, 100, 256])
def test_extremes_ignore_nan_and_are_nan_where_there_is_nothing_else(n):
    inf, nan = float("inf"), float("nan")
    x = torch.randn(8, n)
    x[0], x[1], x[2] = nan, inf, -inf
    x[3, :-1] = nan
    x[4, 1:] = nan
    x[5, ::2] = nan
    x[5, -1] = -inf
    x[6, 0] = inf
    largest, smallest = torch.empty(8), torch.empty(8)
    extremes_kernel[(8,)](x, largest, smallest, n, BLOCK=256)
    some = ~x.isnan().all(1)
    expected = torch.where(some, x.nan_to_num(-inf, inf, -inf).amax(1), nan)
    torch.testing.assert_close(largest, expected, rtol=0, atol=0, equal_nan=True)
    expected = torch.where(some, x.nan_to_num(inf, inf, -inf).amin(1), nan)
    torch.testing.assert_close(smallest, expected, rtol=0, atol=0, equal_nan=True)


@triton.jit
def masked_sums_kernel(x, sums, exps, squares, n, OTHER: tl.constexpr, BLOCK: tl.constexpr):
    c = tl.arange(0, BLOCK)
    v = tl.load(x + c, mask=c < n, other=OTHER)
    tl.store(sums, tl.sum(v, axis=0))
    tl.store(exps, tl.sum(tl.exp(v - tl.max(v, axis=0)), axis=0))
    d = tl.where(c < n, v - 1.0, 0.0)
    tl.store(squares, tl.sum(d * d, axis=0))


@pytest.mark.parametrize("other", [0.0, -float("inf"), 2.0])
@pytest.mark.parametrize("n", [-40, 0, 1, 15, 16, 500, 512])
def test_what_a_mask_leaves_out_counts_as_often_as_it_is_there(n, other):
    x = torch.full((512,), -0.0) if n == 16 else torch.randint(-3, 3, (512,)).float()
    out = [torch.empty(1) for _ in range(3)]
    masked_sums_kernel[(1,)](x, *out, n, OTHER=other, BLOCK=512)
    v = torch.where(torch.arange(512) < n, x, other)
    d = x[: max(n, 0)] - 1
    expected = [v.sum(), (v - v.max()).exp().sum(), (d * d).sum()]
    for got, want in zip(out, expected, strict=True):
        torch.testing.assert_close(got[0], want, equal_nan=True)
    assert torch.equal(out[0].signbit()[0], v.sum().signbit()) or v.sum() != 0


@triton.jit
def partition_kernel(x, out, prefixes, sums, even, n, TRIPS: tl.constexpr, BLOCK: tl.constexpr):
    """Each third of `x` in turn, in order, as a radix sort does it: masks, prefixes and counts in scratch."""
    c = tl.arange(0, BLOCK)
    v = tl.load(x + c, mask=c < n)
    start = 0
    for third in range(3):
        own = tl.where(c < n, v % 3 == third, False)
        ones = own.to(tl.int32)
        inclusive = tl.cumsum(ones, 0)
        tl.store(prefixes + third * BLOCK + c, inclusive)
        tl.store(out + start + inclusive - 1, v, mask=own)
        start += tl.sum(ones, 0)
    fives = tl.load(x + c, mask=c < n, other=5)
    tl.store(sums + 4, tl.sum(fives & 6, 0))
    tl.store(sums + 5, tl.sum(fives * (c < n).to(tl.int32), 0))
    tl.store(sums + 6, tl.sum((fives + 1) * 2, 0))
    tl.store(even + c, c, mask=tl.where(c < n, v % 2 == 0, True))
    counts = tl.zeros((4, BLOCK), dtype=tl.int64)
    totals = tl.zeros((BLOCK,), dtype=tl.int32)
    for trip in range(TRIPS):
        at = trip * BLOCK + c
        w = tl.load(x + at, mask=at < n, other=3)
        counts += tl.where((at < n)[None, :], w[None, :] % 4 == tl.arange(0, 4)[:, None], False)
        totals += tl.load(x + at, mask=at < n, other=5)
    tl.store(sums + tl.arange(0, 4), tl.sum(counts, 1))
    tl.store(sums + 7, tl.sum(totals, 0))


@pytest.mark.parametrize("n", [0, 1, 16, 17, 700, 1023, 1024, 3000])
def test_what_is_beyond_a_mask_is_neither_written_nor_counted(n):
    block, trips = 1024, 3
    x = torch.randint(0, 1000, (block * trips,), dtype=torch.int32)
    out, prefixes = torch.full((block + 1,), -1, dtype=torch.int32), torch.empty(3, block, dtype=torch.int32)
    sums, even = torch.empty(8, dtype=torch.int64), torch.full((block,), -1, dtype=torch.int32)
    partition_kernel[(1,)](x, out, prefixes, sums, even, n, TRIPS=trips, BLOCK=block)
    live = x[: min(n, block)]
    expected = torch.cat([live[live % 3 == third] for third in range(3)])
    assert torch.equal(out[: len(expected)], expected)
    assert (out[len(expected) :] == -1).all()
    own = (x[:block] % 3 == torch.arange(3)[:, None]) & (torch.arange(block) < n)
    assert torch.equal(prefixes.long(), own.cumsum(1))
    assert torch.equal(sums[:4], torch.bincount(x[:n] % 4, minlength=4))
    beyond = block - len(live)
    masked = [(live & 6).sum() + 4 * beyond, live.sum(), ((live + 1) * 2).sum() + 12 * beyond]
    masked.append(x[:n].sum() + 5 * (len(x) - n))
    assert sums[4:].tolist() == [int(total) for total in masked]
    at = torch.arange(block, dtype=torch.int32)
    assert torch.equal(even, torch.where((at >= n) | (x[:block] % 2 == 0), at, -1))


@triton.jit
def masked_prefixes_kernel(x, sums, products, maxima, n, BLOCK: tl.constexpr):
    c = tl.arange(0, BLOCK)
    v = tl.load(x + c)
    tl.store(sums + c, tl.cumsum(tl.where(c < n, v, 0.0), 0))
    tl.store(products + c, tl.cumprod(tl.where(c < n, v, 2.0), 0))
    tl.store(maxima + c, tl.associative_scan(tl.where(c < n, v, 0.5), 0, larger))


@triton.jit
def larger(a, b):
    return tl.maximum(a, b)


@pytest.mark.parametrize("n", [-3, 0, 1, 15, 16, 17, 600, 1024])
def test_prefixes_beyond_a_mask_go_on_with_what_is_there(n):
    x = torch.full((1024,), -0.0) if n == 17 else torch.randint(0, 2, (1024,)).float() - 1
    sums, products, maxima = (torch.empty(1024) for _ in range(3))
    masked_prefixes_kernel[(1,)](x, sums, products, maxima, n, BLOCK=1024)
    live = torch.arange(1024) < n
    expected = torch.where(live, x, 0.0).cumsum(0)
    assert torch.equal(sums, expected)
    if n == 17:
        assert torch.equal(sums.signbit(), live)  # -0 until a zero is added
    assert torch.equal(products, torch.where(live, x, 2.0).cumprod(0))
    assert torch.equal(maxima, torch.where(live, x, 0.5).cummax(0).values)


@triton.jit
def shares_kernel(x, out, n, BLOCK: tl.constexpr):
    c = tl.arange(0, BLOCK)
    v = tl.load(x + c, mask=c < n, other=0.0)
    tl.store(out + c, v / tl.sum(v, axis=0), mask=c < n)


@pytest.mark.parametrize("scale", [1.0, 1e-40, 3e37, 0.0, float("inf"), float("nan")])
def test_quotients_by_a_sum_are_right_for_every_sum(scale):
    x = torch.arange(1, 5).repeat(16).div(16) * scale  # sums to 10 times the scale
    out = torch.empty(64)
    shares_kernel[(1,)](x, out, 64, BLOCK=64)
    torch.testing.assert_close(out, (x.double() / x.double().sum()).float(), equal_nan=True, rtol=3e-7, atol=0)
