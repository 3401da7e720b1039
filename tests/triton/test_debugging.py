"""tl.device_print and tl.device_assert, casts of 8-bit floats, hints that mean nothing here."""

import numpy
import pytest
import torch
import triton
import triton.language as tl
from flagos.triton import native


@triton.jit
def print_kernel(x, y, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    v = tl.load(x + i, mask=i < n, other=-1.0)
    tl.device_print("value: ", v)
    tl.device_print("count", n)
    tl.device_print("word", tl.load(y).to(tl.uint8))
    tl.device_print("bits", tl.load(y), hex=True)
    tl.device_print("here")


def test_device_print(capfd):
    print_kernel[(2, 1, 1)](torch.tensor([0.5, 2.0, -3.25]), torch.tensor([-2], dtype=torch.int8), 3, BLOCK=4)
    lines = capfd.readouterr().out.splitlines()
    for program in range(2):
        mine = [line for line in lines if line.startswith(f"pid ({program}, 0, 0)")]
        assert mine == [
            f"pid ({program}, 0, 0) {rest}"
            for rest in (
                "idx (0) value: 0.5",
                "idx (1) value: 2",
                "idx (2) value: -3.25",
                "idx (3) value: -1",
                "idx (0) count: 3",
                "idx (0) word: 254",
                "idx (0) bits: 0xfe",
                "here",
            )
        ]


@triton.jit
def assert_kernel(x, out, n, BLOCK: tl.constexpr):
    pid = tl.program_id(0)
    i = pid * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + i, mask=i < n, other=0)
    tl.device_assert((v >= 0) & (v < 10), "index out of range")
    tl.store(out + i, v, mask=i < n)


def test_device_assert_that_holds():
    x, out = torch.arange(10), torch.zeros(10, dtype=torch.int64)
    assert_kernel[(1,)](x, out, 10, BLOCK=16, debug=True)
    assert torch.equal(out, x)


def test_device_assert_that_fails_ends_its_program_and_the_launch():
    x, out = torch.arange(20), torch.full((20,), -1)
    with pytest.raises(
        native.KernelError, match=r"index out of range \(kernel 'assert_kernel'\), in program \(0, 0, 0\)"
    ):
        assert_kernel[(1,)](x, out, 20, BLOCK=32, debug=True)
    assert (out == -1).all()
    assert_kernel[(1,)](x % 10, out, 20, BLOCK=32, debug=True)
    assert torch.equal(out, x % 10)


@triton.jit
def asserted_rows_kernel(x, index, out, count, N: tl.constexpr, BLOCK: tl.constexpr):
    """As Inductor indexes: rows counted from the end where negative, and asserted to exist."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    source = tl.load(index + i // N)
    source = tl.where(source < 0, source + count, source)
    tl.device_assert((source >= 0) & (source < count), "no such row")
    tl.store(out + i, tl.load(x + (i % N + N * source)))


@pytest.mark.parametrize("row", [8, 128, 300, 1024])
def test_rows_that_are_asserted_to_exist(row):
    x, index = torch.randn(13, row), torch.randint(-13, 13, (512,))
    out = torch.zeros(512, row)
    grid = (out.numel() // 512,)
    asserted_rows_kernel[grid](x, index, out, 13, N=row, BLOCK=512, debug=True)
    assert torch.equal(out, x[index])
    for wrong in (13, -14, 2**40):
        index[-1], out[-1] = wrong, -1
        with pytest.raises(native.KernelError, match="no such row"):
            asserted_rows_kernel[grid](x, index, out, 13, N=row, BLOCK=512, debug=True)
        assert (out[-1] == -1)[-1]


@triton.jit
def shown_across_kernel(x, y, out, shown, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    r = tl.arange(0, ROWS)[:, None]
    c = tl.arange(0, COLUMNS)[None, :]
    v = tl.load(x + r * COLUMNS + c)
    tl.device_assert((v & 7) < 8, "all are")
    tl.device_print("v", v)
    tl.store(out + c * ROWS + r, v + tl.load(y + c * ROWS + r))
    tl.store(shown, 1)


@pytest.mark.parametrize(("rows", "columns"), [(16, 32), (32, 16), (64, 8)])
def test_values_that_go_to_memory_transposed_are_shown_as_they_are(rows, columns, capfd):
    x = torch.arange(rows * columns, dtype=torch.int32).view(rows, columns)
    y = out = torch.zeros(columns, rows, dtype=torch.int32)
    shown = torch.zeros(1, dtype=torch.int32)
    shown_across_kernel[(1,)](x, y, out, shown, ROWS=rows, COLUMNS=columns, debug=True)
    assert torch.equal(out, x.T)
    assert shown.item() == 1
    lines = capfd.readouterr().out.splitlines()
    assert lines == [f"pid (0, 0, 0) idx ({i}) v: {i}" for i in range(rows * columns)]


def test_device_assert_is_nothing_without_debug():
    x, out = torch.arange(20), torch.zeros(20, dtype=torch.int64)
    assert_kernel[(1,)](x, out, 20, BLOCK=32)
    assert torch.equal(out, x)


@triton.jit
def cast_kernel(x, out, n, WAY: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + i, mask=i < n)
    v = v.to(out.dtype.element_ty, fp_downcast_rounding="rtz") if WAY == "rtz" else v.to(out.dtype.element_ty)
    tl.store(out + i, v, mask=i < n)


def cast(x, dtype, way=None):
    out = torch.empty(x.numel(), dtype=dtype)
    cast_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), WAY=way, BLOCK=128)
    return out


FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)


@pytest.mark.parametrize("dtype", FLOAT8)
@pytest.mark.parametrize("to", [torch.float32, torch.float16, torch.bfloat16])
def test_every_8_bit_float_widens(dtype, to):
    every = torch.arange(256, dtype=torch.int16).to(torch.uint8).view(dtype)
    torch.testing.assert_close(cast(every, to), every.to(to), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("dtype", FLOAT8)
@pytest.mark.parametrize("of", [torch.float32, torch.float16, torch.bfloat16])
def test_numbers_are_rounded_to_8_bits_to_nearest_even_and_end_at_the_largest(dtype, of):
    largest = torch.finfo(dtype).max
    exact = torch.arange(256, dtype=torch.int16).to(torch.uint8).view(dtype).float()
    exact = exact[exact.isfinite()].unique()
    between = (exact[1:] + exact[:-1]) / 2
    spread = torch.randn(2000) * torch.logspace(-6, 3, 2000)
    x = torch.cat([exact, between, between * 1.01, between * 0.99, spread, torch.tensor([1e9, -1e9, float("inf")])]).to(
        of
    )
    want = x.float().clamp(-largest, largest).to(dtype)
    torch.testing.assert_close(cast(x, dtype).float(), want.float(), rtol=0, atol=0)
    assert cast(torch.tensor([float("nan")]).to(of), dtype).float().isnan().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rounding_toward_zero(dtype):
    x = torch.cat([torch.randn(2000) * torch.logspace(-9, 4, 2000), torch.tensor([float("inf"), 0.0, -0.0])])
    got = cast(x, dtype, "rtz").float()
    nearest = x.to(dtype)
    below = torch.where(nearest.float().abs() > x.abs(), (nearest.view(torch.int16) - 1).view(dtype), nearest).float()
    torch.testing.assert_close(got, below, rtol=0, atol=0)
    assert (got.abs() <= x.abs()).all()


@triton.jit
def hints_kernel(x, out, n, BLOCK: tl.constexpr):
    tl.assume(n > 0)
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    i = tl.max_contiguous(tl.multiple_of(i, BLOCK), BLOCK)
    v = tl.load(x + i, mask=i < n, cache_modifier=".cg", eviction_policy="evict_last")
    tl.debug_barrier()
    r = tl.sqrt_rn(v)
    tl.store(out + i, tl.div_rn(r, 3.0), mask=i < n, cache_modifier=".cs")


def test_hints_and_precise_operations():
    x, out = torch.rand(100), torch.empty(100)
    hints_kernel[(1,)](x, out, 100, BLOCK=128, num_warps=8, num_stages=3, num_ctas=1)
    want = numpy.sqrt(x.numpy()) / numpy.float32(3)  # correctly rounded, which torch.sqrt is not
    assert (out.numpy() == want).all()


@triton.jit
def assembly_kernel(x, out):
    v = tl.inline_asm_elementwise("mov.b32 $0, $1;", "=r,r", [tl.load(x)], dtype=tl.int32, is_pure=True, pack=1)
    tl.store(out, v)


def test_inline_assembly_is_refused_by_name():
    with pytest.raises(native.CompileError, match=r"kernel 'assembly_kernel': .*'tt.elementwise_inline_asm'"):
        assembly_kernel[(1,)](torch.zeros(1, dtype=torch.int32), torch.zeros(1, dtype=torch.int32))
