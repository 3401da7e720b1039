"""Where blocks are read and written: transposed, row by row through an index, by quotients of flat positions."""

import pytest
import torch
import triton
import triton.language as tl

from benchmarks.triton_pointwise import rows_kernel


@triton.jit
def flat_kernel(x, w, out, n, N: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    tl.store(out + i, tl.load(x + i % N, mask=mask) + 1000 * tl.load(w + i // N, mask=mask), mask=mask)


@pytest.mark.parametrize("row", [1, 3, 4, 7, 16, 64, 100, 1000, 1024, 5000])
@pytest.mark.parametrize("n", [1, 15, 1000, 4099])
def test_flat_positions_taken_apart(n, row):
    x, w = torch.arange(row).float(), torch.arange(n // row + 1).float()
    out = torch.full((n + 64,), -1.0)
    flat_kernel[(triton.cdiv(n, 1024),)](x, w, out, n, N=row, BLOCK=1024)
    i = torch.arange(n)
    assert torch.equal(out[:n], x[i % row] + 1000 * w[i // row])
    assert (out[n:] == -1).all()


@triton.jit
def two_quotients_kernel(x, w, out, n, N: tl.constexpr, LESS: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    row = tl.load(w + i // N, mask=mask) - tl.load(w - i // LESS, mask=mask)
    tl.store(out + i, tl.load(x + i % N, mask=mask) + 1000 * row, mask=mask)


@pytest.mark.parametrize(("row", "less"), [(5, -6), (7, -11), (16, -48), (100, -196)])
def test_a_quotient_by_a_negative_number_has_places_of_its_own(row, less):
    """As numbers without a sign, of 32 bits, they are multiples of the rows."""
    n = 4099
    x, w = torch.arange(row).float(), torch.arange(n // 5 + 1).float() ** 2 % 100
    out = torch.full((n + 64,), -1.0)
    two_quotients_kernel[(triton.cdiv(n, 1024),)](x, w, out, n, N=row, LESS=less, BLOCK=1024)
    i = torch.arange(n)
    assert torch.equal(out[:n], x[i % row] + 1000 * (w[i // row] - w[i // -less]))


@triton.jit
def permute_kernel(x, out, n, A: tl.constexpr, B: tl.constexpr, C: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    c, a, b = i % C, (i // C) % A, i // (C * A)
    tl.store(out + i, tl.load(x + (c + C * b + C * B * a), mask=mask), mask=mask)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.uint8])
@pytest.mark.parametrize("shape", [(3, 5, 7), (4, 16, 64), (10, 3, 100), (2, 2, 33), (40, 300, 64)])
def test_permuted_copy_over_flat_positions(shape, dtype):
    x = torch.randint(0, 200, shape).to(dtype)
    out = torch.zeros(shape[1], shape[0], shape[2], dtype=dtype)
    permute_kernel[(triton.cdiv(x.numel(), 256),)](x, out, x.numel(), *shape, BLOCK=256)
    assert torch.equal(out, x.permute(1, 0, 2))


@triton.jit
def flat_rows_kernel(x, index, out, n, rows, N: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    source = tl.load(index + i // N, mask=mask)
    source = tl.where(source < 0, source + rows, source)
    tl.store(out + i, tl.load(x + (i % N + N * source), mask=mask), mask=mask)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
@pytest.mark.parametrize("row", [7, 16, 100, 256, 3000])
def test_rows_by_an_index_over_flat_positions(row, dtype):
    """What the index holds beyond the end must not be followed."""
    x = torch.randn(13, row)
    index = torch.full((64,), 2**30, dtype=dtype)
    index[:37] = torch.randint(-13, 13, (37,))
    out = torch.zeros(37 * row)
    flat_rows_kernel[(triton.cdiv(out.numel(), 512),)](x, index, out, out.numel(), 13, N=row, BLOCK=512)
    assert torch.equal(out.view(37, row), x[index[:37].long()])


@pytest.mark.parametrize("row", [16, 128, 200, 512])
def test_flat_rows_by_an_index_are_all_read_before_they_are_overwritten(row):
    count = 1024 // row
    x, index = torch.randn(count, row), torch.arange(count - 1, -1, -1)
    expected = x[index]
    flat_rows_kernel[(1,)](x, index, x, count * row, count, N=row, BLOCK=1024)
    assert torch.equal(x, expected)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
@pytest.mark.parametrize("shape", [(1, 1), (5, 100), (64, 64), (70, 130)])
def test_rows_by_an_index_in_tiles(shape, dtype):
    x, index = torch.randn(shape), torch.randint(0, shape[0], (shape[0],), dtype=dtype)
    out = torch.zeros(shape)
    rows_kernel[(triton.cdiv(shape[0], 32), triton.cdiv(shape[1], 64))](x, index, out, *shape, BM=32, BN=64)
    assert torch.equal(out, x[index.long()])


def test_rows_by_an_index_are_all_read_before_they_are_overwritten():
    x, index = torch.randn(32, 64), torch.arange(31, -1, -1)
    expected = x[index]
    rows_kernel[(1, 1)](x, index, x, 32, 64, BM=32, BN=64)
    assert torch.equal(x, expected)


@triton.jit
def scatter_rows_kernel(x, index, out, M, N, BM: tl.constexpr, BN: tl.constexpr):
    rows, columns = tl.arange(0, BM), tl.arange(0, BN)
    target = tl.load(index + rows, mask=rows < M, other=0)
    mask = (rows[:, None] < M) & (columns[None, :] < N)
    tile = tl.load(x + rows[:, None] * N + columns[None, :], mask=mask)
    tl.store(out + target[:, None] * N + columns[None, :], tile, mask=mask)


@pytest.mark.parametrize("shape", [(30, 100), (32, 128), (3, 7)])
def test_rows_written_through_an_index(shape):
    x, index = torch.randn(shape), torch.randperm(shape[0])
    out = torch.zeros(shape)
    scatter_rows_kernel[(1,)](x, index, out, *shape, BM=32, BN=128)
    assert torch.equal(out[index], x)


@triton.jit
def tile_kernel(
    x, y, out, M, N, x_row, x_column, y_row, y_column, out_row, out_column, BM: tl.constexpr, BN: tl.constexpr
):
    rows = (tl.program_id(0) * BM + tl.arange(0, BM))[:, None]
    columns = (tl.program_id(1) * BN + tl.arange(0, BN))[None, :]
    mask = (rows < M) & (columns < N)
    a = tl.load(x + rows * x_row + columns * x_column, mask=mask)
    b = tl.load(y + rows * y_row + columns * y_column, mask=mask, other=0)
    tl.store(out + rows * out_row + columns * out_column, a + 2 * b, mask=mask)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.int8])
@pytest.mark.parametrize("turned", ["first", "second", "both", "result", "first and result"])
@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (70, 33), (64, 128)])
def test_transposed_operands_and_results(shape, turned, dtype):
    def matrix(transposed):
        values = torch.randint(-20, 20, shape).to(dtype)
        return values.t().contiguous().t() if transposed else values

    x, y = matrix(turned in ("first", "both", "first and result")), matrix(turned in ("second", "both"))
    out = matrix("result" in turned)
    blocks = {"BM": 32, "BN": 64}
    grid = (triton.cdiv(shape[0], 32), triton.cdiv(shape[1], 64))
    tile_kernel[grid](x, y, out, *shape, *x.stride(), *y.stride(), *out.stride(), **blocks)
    assert torch.equal(out, x + 2 * y)


@triton.jit
def trans_kernel(x, out, M, N, BM: tl.constexpr, BN: tl.constexpr):
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    tile = tl.load(x + rows[:, None] * N + columns[None, :], mask=(rows[:, None] < M) & (columns[None, :] < N))
    mask = (columns[:, None] < N) & (rows[None, :] < M)
    tl.store(out + columns[:, None] * M + rows[None, :], tl.trans(tile) * 2, mask=mask)


@pytest.mark.parametrize("blocks", [(16, 16), (32, 64), (8, 128)])
@pytest.mark.parametrize("shape", [(1, 1), (64, 64), (70, 33)])
def test_transposed_blocks(shape, blocks):
    x, out = torch.randn(shape), torch.zeros(shape[1], shape[0])
    grid = (triton.cdiv(shape[0], blocks[0]), triton.cdiv(shape[1], blocks[1]))
    trans_kernel[grid](x, out, *shape, BM=blocks[0], BN=blocks[1])
    assert torch.equal(out, x.t() * 2)


def test_a_transposition_in_place_reads_before_it_writes():
    x = torch.randn(64, 64)
    expected = x.t() * 2
    trans_kernel[(1, 1)](x, x, 64, 64, BM=64, BN=64)
    assert torch.equal(x, expected)
