"""Programs side by side run as one with longer blocks: nobody must be able to tell, but by the time that it takes."""

import pytest
import torch
import triton
import triton.language as tl


@triton.jit
def scaled_kernel(x, y, out, M, N, x_row, out_row, BM: tl.constexpr, BN: tl.constexpr, ALONG: tl.constexpr):
    rows = tl.program_id(1 - ALONG) * BM + tl.arange(0, BM)
    columns = tl.program_id(ALONG) * BN + tl.arange(0, BN)
    mask = (rows[:, None] < M) & (columns[None, :] < N)
    a = tl.load(x + rows[:, None] * x_row + columns[None, :], mask=mask)
    b = tl.load(y + columns, mask=columns < N)
    tl.store(out + rows[:, None] * out_row + columns[None, :], 2 * a + b[None, :], mask=mask)


def scaled(x, y, out, along=1, blocks=(16, 64)):
    grid = [triton.cdiv(x.shape[0], blocks[0]), triton.cdiv(x.shape[1], blocks[1])]
    grid = grid if along == 1 else grid[::-1]
    rows = (x.stride(0), out.stride(0))
    scaled_kernel[tuple(grid)](x, y, out, *x.shape, *rows, BM=blocks[0], BN=blocks[1], ALONG=along)


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("along", [0, 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int8])
@pytest.mark.parametrize("shape", [(1, 1), (5, 64), (33, 130), (17, 2048), (20, 4500)])
def test_tiles_of_any_shape(shape, dtype, along, threads):
    x, y = torch.randint(-20, 20, shape).to(dtype), torch.randint(-20, 20, (shape[1],)).to(dtype)
    whole = torch.full((shape[0] + 1, shape[1] + 3), -1, dtype=dtype)
    scaled(x, y, whole[:-1, :-3], along)
    assert torch.equal(whole[:-1, :-3], 2 * x + y)
    assert (whole[-1] == -1).all()
    assert (whole[:, -3:] == -1).all()


@pytest.mark.parametrize("blocks", [(16, 16), (4, 128), (64, 256)])
@pytest.mark.parametrize("columns", [100, 256, 700])
def test_each_element_is_changed_once_in_place(columns, blocks, threads):
    x, y = torch.randn(70, columns), torch.randn(columns)
    expected = 2 * x + y
    scaled(x, y, x, blocks=blocks)
    assert torch.equal(x, expected)


def test_operands_that_lie_between_one_anothers_rows():
    """Their addresses overlap as ranges, not as elements: exact code runs."""
    both, y = torch.randn(40, 600), torch.randn(300)
    expected = 2 * both[:, 300:] + y
    scaled(both[:, 300:], y, both[:, :300])
    assert torch.equal(both[:, :300], expected)


@triton.jit
def whole_tiles_kernel(x, out, N, BM: tl.constexpr, BN: tl.constexpr):
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    at = rows[:, None] * N + columns[None, :]
    tl.store(out + at, tl.load(x + at) + 1)


@pytest.mark.parametrize("programs", [1, 3, 33])
def test_without_masks_no_program_is_run_that_was_not_asked_for(programs):
    x, out = torch.randn(32, 64 * 33), torch.zeros(32, 64 * 33)
    whole_tiles_kernel[(2, programs)](x, out, x.shape[1], BM=16, BN=64)
    assert torch.equal(out[:, : 64 * programs], x[:, : 64 * programs] + 1)
    assert (out[:, 64 * programs :] == 0).all()


@triton.jit
def who_kernel(out, N, WHICH: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr):
    """What each element is told depends on the program that it belongs to in one more way."""
    rows = tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    at = rows[:, None] * N + columns[None, :]
    if WHICH == "id":
        told = tl.zeros((BM, BN), tl.int32) + tl.program_id(1)
    elif WHICH == "place in the block":
        told = tl.zeros((BM, BN), tl.int32) + tl.arange(0, BN)[None, :]
    elif WHICH == "mask":
        told = tl.where(columns[None, :] < tl.program_id(1) * BN + 7, 1, 2) + rows[:, None]
    elif WHICH == "other factor":
        told = (tl.program_id(1) * 3 + tl.arange(0, BN))[None, :] + rows[:, None]
    else:
        tl.static_assert(WHICH == "rows")
        told = columns[None, :] + (rows + tl.program_id(1))[:, None]
    tl.store(out + at, told)


@pytest.mark.parametrize("which", ["id", "place in the block", "mask", "other factor", "rows"])
def test_what_depends_on_the_program_in_other_ways(which):
    out = torch.zeros(16, 640, dtype=torch.int32)
    who_kernel[(1, 10)](out, 640, WHICH=which, BM=16, BN=64)
    rows, columns = torch.arange(16)[:, None], torch.arange(640)[None, :]
    program, place = columns // 64, columns % 64
    expected = {
        "id": program + 0 * rows,
        "place in the block": place + 0 * rows,
        "mask": torch.where(place < 7, 1, 2) + rows,
        "other factor": 3 * program + place + rows,
        "rows": columns + rows + program,
    }[which]
    assert torch.equal(out, expected.int())


@triton.jit
def counting_kernel(x, out, seen, N, BM: tl.constexpr, BN: tl.constexpr):
    rows = tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    at = rows[:, None] * N + columns[None, :]
    tl.store(out + at, tl.load(x + at))
    tl.store(seen + tl.program_id(1), 1)


def test_each_program_writes_its_own_scalar():
    x, out, seen = torch.randn(16, 640), torch.zeros(16, 640), torch.zeros(10, dtype=torch.int32)
    counting_kernel[(1, 10)](x, out, seen, 640, BM=16, BN=64)
    assert torch.equal(out, x)
    assert (seen == 1).all()


@triton.jit
def named_rows_kernel(x, index, out, M, N, x_row, out_row, BM: tl.constexpr, BN: tl.constexpr):
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    source = tl.load(index + rows)  # beyond the last row it names nothing
    mask = (rows[:, None] < M) & (columns[None, :] < N)
    tile = tl.load(x + source[:, None] * x_row + columns[None, :], mask=mask)
    tl.store(out + rows[:, None] * out_row + columns[None, :], tile, mask=mask)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
@pytest.mark.parametrize("wild", [0, -(2**30), 2**30, 2**31 - 1])
@pytest.mark.parametrize("shape", [(3, 100), (70, 130), (64, 2100)])
def test_rows_are_not_followed_where_the_mask_is_off(shape, wild, dtype, threads):
    x, out = torch.randn(shape), torch.zeros(shape)
    index = torch.full((triton.cdiv(shape[0], 32) * 32,), wild, dtype=dtype)
    index[: shape[0]] = torch.randint(0, shape[0], (shape[0],))
    grid = (triton.cdiv(shape[0], 32), triton.cdiv(shape[1], 64))
    named_rows_kernel[grid](x, index, out, *shape, x.stride(0), out.stride(0), BM=32, BN=64)
    assert torch.equal(out, x[index[: shape[0]].long()])


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_rows_that_are_overwritten_by_others_are_read_first(dtype):
    x, index = torch.randn(32, 300), torch.arange(31, -1, -1, dtype=dtype)
    expected = x[index.long()]
    named_rows_kernel[(1, 5)](x, index, x, *x.shape, x.stride(0), x.stride(0), BM=32, BN=64)
    assert torch.equal(x, expected)


def test_named_rows_that_lie_between_those_written():
    both, index = torch.randn(40, 600), torch.randint(0, 40, (64,))
    expected = both[:, 300:][index[:40]]
    named_rows_kernel[(2, 5)](both[:, 300:], index, both[:, :300], 40, 300, 600, 600, BM=32, BN=64)
    assert torch.equal(both[:, :300], expected)
