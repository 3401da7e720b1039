"""Reductions, loops, branches and blocks of higher rank."""

import pytest
import torch
import triton
import triton.language as tl


@triton.jit
def softmax_kernel(out, x, stride, n, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    c = tl.arange(0, BLOCK)
    mask = c < n
    v = tl.load(x + row * stride + c, mask=mask, other=-float("inf"))
    v = v - tl.max(v, axis=0)
    e = tl.exp(v)
    tl.store(out + row * stride + c, e / tl.sum(e, axis=0), mask=mask)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (7, 64), (16, 1000), (4, 1024), (2, 4096)])
def test_softmax(shape):
    x = torch.randn(shape)
    out = torch.empty_like(x)
    softmax_kernel[(shape[0],)](out, x, shape[1], shape[1], BLOCK=triton.next_power_of_2(shape[1]))
    torch.testing.assert_close(out, x.softmax(-1), rtol=2e-6, atol=1e-7)


def test_softmax_of_a_masked_row_gives_zero_where_it_is_minus_infinity():
    x = torch.randn(4, 300)
    x[:, 100:] = -float("inf")
    x[1, :50] = torch.finfo(torch.float32).min
    out = torch.empty_like(x)
    softmax_kernel[(4,)](out, x, 300, 300, BLOCK=512)
    torch.testing.assert_close(out, x.softmax(-1), rtol=2e-6, atol=1e-7)


@triton.jit
def reduce_kernel(x, out, rows, columns, AXIS: tl.constexpr, WHICH: tl.constexpr, M: tl.constexpr, N: tl.constexpr):
    r, c = tl.arange(0, M), tl.arange(0, N)
    mask = (r[:, None] < rows) & (c[None, :] < columns)
    if WHICH == "sum":
        v = tl.load(x + r[:, None] * columns + c[None, :], mask=mask, other=0)
        s = tl.sum(v, axis=AXIS)
    elif WHICH == "max":
        v = tl.load(x + r[:, None] * columns + c[None, :], mask=mask, other=-1000)
        s = tl.max(v, axis=AXIS)
    elif WHICH == "min":
        v = tl.load(x + r[:, None] * columns + c[None, :], mask=mask, other=1000)
        s = tl.min(v, axis=AXIS)
    elif WHICH == "argmax":
        v = tl.load(x + r[:, None] * columns + c[None, :], mask=mask, other=-1000)
        s = tl.argmax(v, axis=AXIS)
    else:
        v = tl.load(x + r[:, None] * columns + c[None, :], mask=mask, other=0)
        s = tl.xor_sum(v.to(tl.int32), axis=AXIS)
    if AXIS == 0:
        tl.store(out + c, s, mask=c < columns)
    else:
        tl.store(out + r, s, mask=r < rows)


def expected_reduction(x, which, axis):
    if which == "xor":
        whole = x.to(torch.int32)
        result = torch.zeros_like(whole.select(axis, 0))
        for part in whole.unbind(axis):
            result ^= part
        return result
    if which in ("max", "min"):
        return getattr(x, f"a{which}")(axis)
    return getattr(x, which)(axis)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("which", ["sum", "max", "min", "argmax", "xor"])
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (8, 16), (16, 8), (5, 100), (64, 64), (100, 7)])
def test_reductions_of_blocks(shape, which, axis):
    x = torch.randperm(shape[0] * shape[1]).sub(30).reshape(shape).float()
    expected = expected_reduction(x, which, axis)
    out = torch.empty(expected.shape, dtype=torch.int32 if which in ("argmax", "xor") else torch.float32)
    m, n = (triton.next_power_of_2(size) for size in shape)
    reduce_kernel[(1,)](x, out, *shape, AXIS=axis, WHICH=which, M=m, N=n)
    assert torch.equal(out, expected.to(out.dtype))


@triton.jit
def welford(mean_a, m2_a, count_a, mean_b, m2_b, count_b):
    count = count_a + count_b
    delta = mean_b - mean_a
    share = tl.where(count == 0, 0.0, count_b / count)
    return mean_a + delta * share, m2_a + m2_b + delta * delta * count_a * share, count


@triton.jit
def welford_kernel(x, mean, variance, n, BLOCK: tl.constexpr):
    c = tl.arange(0, BLOCK)
    v = tl.load(x + c, mask=c < n, other=0.0)
    weight = tl.where(c < n, 1.0, 0.0)
    m, m2, count = tl.reduce((v, tl.zeros([BLOCK], tl.float32), weight), 0, welford)
    tl.store(mean, m)
    tl.store(variance, m2 / count)


@pytest.mark.parametrize("n", [1, 2, 17, 1000])
def test_a_reduction_of_three_operands_with_a_combination_of_its_own(n):
    x = torch.randn(n) + 3
    mean, variance = torch.empty(1), torch.empty(1)
    welford_kernel[(1,)](x, mean, variance, n, BLOCK=1024)
    torch.testing.assert_close(mean[0], x.mean(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(variance[0], x.var(unbiased=False), rtol=1e-5, atol=1e-6)


@triton.jit
def layer_norm_kernel(x, y, w, b, stride, n, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    x += row * stride
    y += row * stride
    total = tl.zeros([BLOCK], dtype=tl.float32)
    for start in range(0, n, BLOCK):
        c = start + tl.arange(0, BLOCK)
        total += tl.load(x + c, mask=c < n, other=0.0).to(tl.float32)
    mean = tl.sum(total, axis=0) / n
    squares = tl.zeros([BLOCK], dtype=tl.float32)
    for start in range(0, n, BLOCK):
        c = start + tl.arange(0, BLOCK)
        a = tl.where(c < n, tl.load(x + c, mask=c < n, other=0.0).to(tl.float32) - mean, 0.0)
        squares += a * a
    scale = 1 / tl.sqrt(tl.sum(squares, axis=0) / n + eps)
    for start in range(0, n, BLOCK):
        c = start + tl.arange(0, BLOCK)
        mask = c < n
        v = (tl.load(x + c, mask=mask, other=0.0).to(tl.float32) - mean) * scale
        tl.store(y + c, v * tl.load(w + c, mask=mask) + tl.load(b + c, mask=mask), mask=mask)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("columns", [1, 100, 128, 1000])
def test_layer_norm_carries_blocks_round_loops(columns, dtype):
    x, w, b = torch.randn(6, columns).to(dtype), torch.randn(columns).to(dtype), torch.randn(columns).to(dtype)
    y = torch.empty_like(x)
    layer_norm_kernel[(6,)](x, y, w, b, columns, columns, 1e-5, BLOCK=128)
    expected = torch.nn.functional.layer_norm(x.float(), (columns,), w.float(), b.float(), 1e-5)
    tolerance = 1e-5 if dtype == torch.float32 else 4e-2
    torch.testing.assert_close(y.float(), expected, rtol=tolerance, atol=tolerance)


@triton.jit
def pointers_advance_kernel(x, out, n, steps, BLOCK: tl.constexpr):
    c = tl.arange(0, BLOCK)
    pointers = x + c
    index = c
    total = tl.zeros([BLOCK], dtype=tl.float32)
    for _ in range(steps):
        total += tl.load(pointers, mask=index < n, other=0.0)
        pointers += BLOCK
        index += BLOCK
    tl.store(out + c, total)


@pytest.mark.parametrize("n", [1, 64, 100, 250])
def test_pointers_and_indices_that_advance(n):
    x = torch.randn(n)
    out = torch.empty(64)
    pointers_advance_kernel[(1,)](x, out, n, 4, BLOCK=64)
    expected = torch.nn.functional.pad(x, (0, 256 - n)).reshape(4, 64).sum(0)
    torch.testing.assert_close(out, expected)


@triton.jit
def swap_kernel(x, y, out, steps, BLOCK: tl.constexpr):
    c = tl.arange(0, BLOCK)
    a, b = tl.load(x + c), tl.load(y + c)
    for _ in range(steps):
        a, b = b, a + b
    tl.store(out + c, a)


def test_blocks_that_change_places_in_a_loop():
    x, y, out = torch.randn(64), torch.randn(64), torch.empty(64)
    swap_kernel[(1,)](x, y, out, 5, BLOCK=64)
    a, b = x, y
    for _ in range(5):
        a, b = b, a + b
    assert torch.equal(out, a)


@triton.jit
def branch_kernel(x, out, n, flag, BLOCK: tl.constexpr):
    if n == 0:
        return
    c = tl.arange(0, BLOCK)
    v = tl.load(x + c, mask=c < n, other=0.0)
    if flag > 0:
        v = v * 2
        scale = 3.0
    else:
        v = v - 1
        scale = 5.0
    tl.store(out + c, v * scale, mask=c < n)


@pytest.mark.parametrize("flag", [0, 2])
def test_branches_pass_blocks_and_scalars(flag):
    x, out = torch.randn(50), torch.full((64,), 9.0)
    branch_kernel[(1,)](x, out, 50, flag, BLOCK=64)
    expected = x * 2 * 3 if flag else (x - 1) * 5
    assert torch.equal(out[:50], expected)
    assert (out[50:] == 9).all()


def test_an_early_return_stores_nothing():
    x, out = torch.randn(50), torch.full((64,), 9.0)
    branch_kernel[(1,)](x, out, 0, 2, BLOCK=64)
    assert (out == 9).all()


@triton.jit
def while_kernel(x, out, limit, BLOCK: tl.constexpr):
    c = tl.arange(0, BLOCK)
    v = tl.load(x + c)
    count = 0
    while tl.sum(v) < limit:
        v = v * 2
        count += 1
    tl.store(out + c, v)
    tl.store(out + BLOCK, count)


def test_while_loops_carry_blocks():
    x, out = torch.ones(16), torch.empty(17)
    while_kernel[(1,)](x, out, 1000.0, BLOCK=16)
    assert out[:16].tolist() == [64.0] * 16
    assert out[16] == 6


@triton.jit
def reshape_kernel(x, out, M: tl.constexpr, N: tl.constexpr):
    v = tl.load(x + tl.arange(0, M * N))
    w = tl.trans(tl.reshape(v, (M, N)))
    tl.store(out + tl.arange(0, N)[:, None] * M + tl.arange(0, M)[None, :], w)


@pytest.mark.parametrize("shape", [(4, 16), (32, 2), (1, 8), (16, 16)])
def test_reshape_and_transpose(shape):
    x = torch.randn(shape)
    out = torch.empty(shape[::-1])
    reshape_kernel[(1,)](x, out, M=shape[0], N=shape[1])
    assert torch.equal(out, x.t())


@triton.jit
def flat_kernel(x, out, M: tl.constexpr, N: tl.constexpr):
    v = tl.load(x + tl.arange(0, M)[:, None] * N + tl.arange(0, N)[None, :])
    tl.store(out + tl.arange(0, M * N), tl.reshape(v * 2, (M * N,)))


@pytest.mark.parametrize("shape", [(4, 16), (32, 2), (8, 64)])
def test_a_block_that_is_read_by_its_flat_positions(shape):
    x, out = torch.randn(shape), torch.empty(shape).flatten()
    flat_kernel[(1,)](x, out, M=shape[0], N=shape[1])
    assert torch.equal(out, x.flatten() * 2)


@triton.jit
def join_kernel(x, y, both, even, odd, N: tl.constexpr):
    c = tl.arange(0, N)
    a, b = tl.load(x + c), tl.load(y + c)
    tl.store(both + tl.arange(0, 2 * N), tl.interleave(a, b))
    e, o = tl.split(tl.reshape(tl.load(both + tl.arange(0, 2 * N)), (N, 2)))
    tl.store(even + c, e)
    tl.store(odd + c, o)


def test_join_and_split_undo_each_other():
    x, y, both = torch.randn(32), torch.randn(32), torch.empty(64)
    even, odd = torch.empty(32), torch.empty(32)
    join_kernel[(1,)](x, y, both, even, odd, N=32)
    assert torch.equal(both, torch.stack([x, y], 1).flatten())
    assert torch.equal(even, x)
    assert torch.equal(odd, y)


@triton.jit
def sort_kernel(x, out, N: tl.constexpr, DESCENDING: tl.constexpr):
    c = tl.arange(0, N)
    tl.store(out + c, tl.sort(tl.load(x + c), descending=DESCENDING))


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.int32])
def test_sort(dtype, descending):
    x = torch.randn(64).mul(100).to(dtype)
    out = torch.empty_like(x)
    sort_kernel[(1,)](x, out, N=64, DESCENDING=descending)
    assert torch.equal(out, x.sort(descending=descending).values)


@triton.jit
def either_combination(a, b):
    return a + b + a * b


@triton.jit
def along_rows_of_joined_kernel(x, reduced, scanned, M: tl.constexpr, N: tl.constexpr):
    index = tl.arange(0, M)[:, None] * N + tl.arange(0, N)[None, :]
    first, second = tl.split(tl.reshape(tl.load(x + index), (M, N // 2, 2)))
    swapped = tl.reshape(tl.join(second, first), (M, N))
    tl.store(reduced + tl.arange(0, N), tl.reduce(swapped, 0, either_combination))
    tl.store(scanned + index, tl.associative_scan(swapped, 0, either_combination))


def test_positions_through_a_reshape_follow_the_rows_of_a_reduction():
    x = torch.randint(-2, 3, (8, 64)).float()
    reduced, scanned = torch.empty(64), torch.empty_like(x)
    along_rows_of_joined_kernel[(1,)](x, reduced, scanned, M=8, N=64)
    # 1 + result is the product of all 1 + value: whole numbers, exact.
    expected = (1 + x.reshape(8, 32, 2).flip(2).reshape(8, 64)).cumprod(0) - 1
    assert torch.equal(scanned, expected)
    assert torch.equal(reduced, expected[-1])
