"""Elementwise kernels on cpu tensors: masks, strides, dtypes, aliasing, math functions."""

import itertools
import math

import numpy
import pytest
import torch
import triton
import triton.language as tl
from triton.language.extra import libdevice

FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
INTEGERS = (torch.int8, torch.int16, torch.int32, torch.int64)


@triton.jit
def add_kernel(x, y, out, n, BLOCK: tl.constexpr):
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = index < n
    tl.store(out + index, tl.load(x + index, mask=mask) + tl.load(y + index, mask=mask), mask=mask)


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
@pytest.mark.parametrize("n", [1, 15, 16, 17, 1000, 4096])
def test_add_writes_what_torch_writes_and_nothing_beyond(dtype, n):
    x, y = torch.randn(n).mul(20).to(dtype), torch.randn(n).mul(20).to(dtype)
    out = torch.full((n + 80,), 7, dtype=dtype)
    add_kernel[(triton.cdiv(n, 256),)](x, y, out, n, BLOCK=256)
    assert torch.equal(out[:n], x + y)
    assert (out[n:] == 7).all()


@pytest.mark.parametrize("shift", [-1, 1, 3, 16, 40])
def test_a_store_that_overlaps_later_loads_does_not_reach_them(shift):
    # The whole block is loaded before any of it is stored, however the loops run.
    base = torch.arange(600, dtype=torch.float32)
    x, out = base[100:356], base[100 + shift : 356 + shift]
    expected = x.clone() * 2
    add_kernel[(1,)](x, x, out, 256, BLOCK=256)
    assert torch.equal(out, expected)


def test_in_place_add_reads_before_it_writes():
    x = torch.randn(1000)
    expected = x + x
    add_kernel[(4,)](x, x, x, 1000, BLOCK=256)
    assert torch.equal(x, expected)


@triton.jit
def strided_kernel(x, out, rows, columns, stride_row, stride_column, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    r = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    c = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    mask = (r[:, None] < rows) & (c[None, :] < columns)
    value = tl.load(x + r[:, None] * stride_row + c[None, :] * stride_column, mask=mask)
    tl.store(out + r[:, None] * columns + c[None, :], value * 2 + 1, mask=mask)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (64, 64), (33, 100), (100, 33)])
@pytest.mark.parametrize("layout", ["rows", "columns", "steps", "backwards"])
def test_strides_of_any_sign_and_size(shape, layout):
    rows, columns = shape
    if layout == "rows":
        x = torch.randn(rows, columns)
    elif layout == "columns":
        x = torch.randn(columns, rows).t()
    else:
        x = torch.randn(rows, columns * 3)[:, ::3]
    out = torch.empty(rows, columns)
    pointer, strides = x, x.stride()
    expected = x * 2 + 1
    if layout == "backwards":
        wide = torch.randn(rows, columns)
        pointer, strides, expected = wide[-1:, -1:], (-columns, -1), wide.flip(0, 1) * 2 + 1
    grid = (triton.cdiv(rows, 16), triton.cdiv(columns, 32))
    strided_kernel[grid](pointer, out, rows, columns, *strides, BLOCK_M=16, BLOCK_N=32)
    assert torch.equal(out, expected)


@triton.jit
def index_wraps_kernel(x, out, n, offset, BLOCK: tl.constexpr):
    index = tl.arange(0, BLOCK) + offset
    tl.store(out + tl.arange(0, BLOCK), tl.load(x + (index & 63), mask=index < n, other=-1))


def test_index_arithmetic_that_wraps_wraps():
    x, out = torch.arange(64.0), torch.empty(64)
    offset = 2**31 - 20
    index_wraps_kernel[(1,)](x, out, 0, offset, BLOCK=64)
    index = (torch.arange(64) + offset + 2**31) % 2**32 - 2**31
    assert torch.equal(out, torch.where(index < 0, x[index & 63], -1.0))


@triton.jit
def gather_kernel(x, index, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    tl.store(out + i, tl.load(x + tl.load(index + i, mask=mask), mask=mask), mask=mask)


@pytest.mark.parametrize("index_type", [torch.int32, torch.int64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int8, torch.int64])
def test_gather(dtype, index_type):
    x = torch.randn(500).mul(50).to(dtype)
    index = torch.randint(0, 500, (777,), dtype=index_type)
    out = torch.empty(777, dtype=dtype)
    gather_kernel[(4,)](x, index, out, 777, BLOCK=256)
    assert torch.equal(out, x[index.long()])


@triton.jit
def scatter_kernel(x, index, out, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    mask = i < n
    tl.store(out + tl.load(index + i, mask=mask), tl.load(x + i, mask=mask), mask=mask)


def test_scatter():
    x, out = torch.randn(100), torch.zeros(200)
    index = torch.randperm(200)[:100]
    scatter_kernel[(1,)](x, index, out, 100, BLOCK=128)
    assert torch.equal(out, torch.zeros(200).scatter(0, index, x))


@triton.jit
def divide_kernel(x, y, quotient, rest, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    mask = i < n
    a = tl.load(x + i, mask=mask)
    b = tl.load(y + i, mask=mask)
    tl.store(quotient + i, a // b, mask=mask)
    tl.store(rest + i, a % b, mask=mask)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_division_truncates_and_masked_lanes_do_not_trap(dtype):
    limits = torch.iinfo(dtype)
    x = torch.randint(limits.min, limits.max, (100,), dtype=dtype)
    y = torch.randint(limits.min, limits.max, (100,), dtype=dtype)
    y[y == 0] = 3
    x[:4], y[:4] = torch.tensor([7, -7, 7, -7]).to(dtype), torch.tensor([2, 2, -2, -2]).to(dtype)
    quotient, rest = torch.empty_like(x), torch.empty_like(x)
    divide_kernel[(1,)](x, y, quotient, rest, 100, BLOCK=128)
    expected = torch.div(x, y, rounding_mode="trunc")
    assert torch.equal(quotient, expected)
    assert torch.equal(rest, x - expected * y)


@triton.jit
def math_kernel(x, out, n, WHICH: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    v = tl.load(x + i, mask=mask)
    if WHICH == "exp":
        r = tl.exp(v)
    elif WHICH == "exp2":
        r = tl.exp2(v)
    elif WHICH == "log":
        r = tl.log(v)
    elif WHICH == "log2":
        r = tl.log2(v)
    elif WHICH == "sin":
        r = tl.sin(v)
    elif WHICH == "cos":
        r = tl.cos(v)
    elif WHICH == "erf":
        r = tl.math.erf(v)
    elif WHICH == "tanh":
        r = libdevice.tanh(v)
    elif WHICH == "log1p":
        r = libdevice.log1p(v)
    elif WHICH == "expm1":
        r = libdevice.expm1(v)
    elif WHICH == "sqrt":
        r = tl.sqrt(v)
    elif WHICH == "rsqrt":
        r = tl.rsqrt(v)
    elif WHICH == "floor":
        r = tl.floor(v)
    elif WHICH == "ceil":
        r = tl.ceil(v)
    else:
        r = tl.abs(v)
    tl.store(out + i, r, mask=mask)


MATH = (
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log1p",
    "sin",
    "cos",
    "erf",
    "tanh",
    "sqrt",
    "rsqrt",
    "floor",
    "ceil",
    "abs",
)


def all_magnitudes(count):
    """Both signs of every exponent of f32, denormals, infinities and NaN included."""
    bits = torch.randint(0, 2**31 - 1, (count,), dtype=torch.int64)
    sign = torch.randint(0, 2, (count,), dtype=torch.int64) << 31
    value = (bits | sign).to(torch.int64)
    value = torch.where(value >= 2**31, value - 2**32, value).to(torch.int32).view(torch.float32)
    special = torch.tensor([0.0, -0.0, math.inf, -math.inf, math.nan, 1e-40, -1e-40, 3.4e38, -3.4e38, 1.0, -1.0])
    return torch.cat([value, special])


def units_in_the_last_place(actual, exact):
    near = exact.to(torch.float32)
    spacing = (torch.nextafter(near.abs(), torch.tensor(math.inf)) - near.abs()).double().clamp(min=1.4e-45)
    return ((actual.double() - exact).abs() / spacing).nan_to_num(0.0, 0.0)


@pytest.mark.parametrize("which", MATH)
def test_math_is_within_two_units_of_the_last_place(which):
    x = torch.cat([all_magnitudes(1 << 16), torch.randn(1 << 16) * 10, torch.linspace(-110, 95, 1 << 14)])
    out = torch.empty_like(x)
    math_kernel[(triton.cdiv(x.numel(), 1024),)](x, out, x.numel(), WHICH=which, BLOCK=1024)
    exact = getattr(torch, which)(x.double())
    assert torch.equal(out.isnan(), exact.isnan())
    near = exact.to(torch.float32)
    infinite = near.isinf() & (exact.abs() > 3.5e38)
    assert torch.equal(out[infinite], near[infinite])
    finite = ~exact.isnan() & ~near.isinf()
    worst = units_in_the_last_place(out[finite], exact[finite]).max()
    assert worst <= 2.0


@triton.jit
def pow_kernel(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    tl.store(out + i, libdevice.pow(tl.load(x + i, mask=mask), tl.load(y + i, mask=mask)), mask=mask)


def test_pow_is_within_one_unit_of_the_last_place_and_has_the_special_values_of_c():
    special = torch.tensor(
        [0.0, -0.0, 1, -1, 2, -2, 3, 0.5, -0.5, -7, 1e-40, -1e-40, 3.4e38, 16777217, math.inf, -math.inf, math.nan]
    )
    count = 1 << 16
    x = torch.cat([all_magnitudes(count), torch.rand(count) * 4, 1 + torch.randn(count) * 1e-3])
    y = torch.cat([all_magnitudes(count), torch.randn(count) * 30, torch.randn(count) * 1e4])
    for a, b in itertools.product(special.split(1), special.split(1)):
        x, y = torch.cat([x, a]), torch.cat([y, b])
    out = torch.empty_like(x)
    pow_kernel[(triton.cdiv(x.numel(), 1024),)](x, y, out, x.numel(), BLOCK=1024)
    exact = torch.pow(x.double(), y.double())
    near = exact.float()
    assert torch.equal(out.isnan(), near.isnan())
    assert torch.equal(out.isinf(), near.isinf())
    assert torch.equal(out.signbit()[~near.isnan()], near.signbit()[~near.isnan()])
    finite = near.isfinite()
    assert units_in_the_last_place(out[finite], exact[finite]).max() <= 1.0


@triton.jit
def sign_kernel(x, negated, positive, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    v = tl.load(x + i, mask=i < n)
    tl.store(negated + i, -v, mask=i < n)
    tl.store(positive + i, tl.abs(v), mask=i < n)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_signs_of_narrow_numbers(dtype):
    x = torch.tensor([0.0, -0.0, 1, -1, 1e-40, -1e-7, math.inf, -math.inf, math.nan, 300], dtype=dtype)
    negated, positive = torch.empty_like(x), torch.empty_like(x)
    sign_kernel[(1,)](x, negated, positive, x.numel(), BLOCK=16)
    torch.testing.assert_close(negated, 0 - x, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(negated.signbit()[:8], (0 - x).signbit()[:8])
    torch.testing.assert_close(positive, x.abs(), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("which", ["sqrt", "floor", "abs", "exp", "log"])
def test_math_of_doubles(which):
    # numpy is the judge: PyTorch's vectorised sqrt of doubles is not always correctly rounded.
    x = torch.rand(500, dtype=torch.float64) * 9
    out = torch.empty_like(x)
    math_kernel[(1,)](x, out, 500, WHICH=which, BLOCK=512)
    exact = torch.from_numpy(getattr(numpy, which)(x.numpy()))
    if which in ("exp", "log"):
        torch.testing.assert_close(out, exact, rtol=1e-15, atol=1e-15)
    else:
        assert torch.equal(out, exact)


@triton.jit
def cast_kernel(x, out, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    mask = i < n
    tl.store(out + i, tl.load(x + i, mask=mask).to(out.dtype.element_ty), mask=mask)


@pytest.mark.parametrize("source", FLOATS + INTEGERS + (torch.uint8, torch.bool))
@pytest.mark.parametrize("target", FLOATS + INTEGERS + (torch.uint8, torch.bool))
def test_casts(source, target):
    x = torch.randn(200).mul(50).to(source) if source != torch.bool else torch.randn(200) > 0
    if source.is_floating_point and target == torch.uint8:
        x = x.abs()
    out = torch.empty(200, dtype=target)
    cast_kernel[(1,)](x, out, 200, BLOCK=256)
    assert torch.equal(out, x.to(target))


def test_bf16_rounding_keeps_denormals_and_quiets_nan():
    x = torch.cat([all_magnitudes(1 << 14), torch.randn(1 << 10) * 1e-39])
    out = torch.empty(x.numel(), dtype=torch.bfloat16)
    add = torch.zeros_like(x)
    cast_kernel[(1,)](x, out, x.numel(), BLOCK=triton.next_power_of_2(x.numel()))
    expected = (x + add).to(torch.bfloat16)
    assert torch.equal(out.isnan(), expected.isnan())
    number = ~out.isnan()
    assert torch.equal(out[number].view(torch.int16), x.to(torch.bfloat16)[number].view(torch.int16))


@triton.jit
def extremum_kernel(x, y, out, n, PROPAGATE: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    a, b = tl.load(x + i, mask=i < n), tl.load(y + i, mask=i < n)
    r = tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL) if PROPAGATE else tl.maximum(a, b)
    tl.store(out + i, r, mask=i < n)


def test_the_two_maxima_differ_in_what_they_do_with_nan():
    x = torch.tensor([1.0, math.nan, 3.0, math.nan, -math.inf])
    y = torch.tensor([2.0, 2.0, math.nan, math.nan, 1.0])
    out = torch.empty(5)
    extremum_kernel[(1,)](x, y, out, 5, PROPAGATE=False, BLOCK=8)
    assert torch.equal(out.nan_to_num(99), torch.fmax(x, y).nan_to_num(99))
    extremum_kernel[(1,)](x, y, out, 5, PROPAGATE=True, BLOCK=8)
    assert torch.equal(out.nan_to_num(99), torch.maximum(x, y).nan_to_num(99))


@triton.jit
def philox_kernel(out, seed, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, tl.rand(seed, i), mask=i < n)


def test_random_numbers_are_philox_and_do_not_depend_on_the_block():
    a, b = torch.empty(1000), torch.empty(1000)
    philox_kernel[(4,)](a, 123, 1000, BLOCK=256)
    philox_kernel[(16,)](b, 123, 1000, BLOCK=64)
    assert torch.equal(a, b)
    assert a.min() >= 0
    assert a.max() < 1
    assert abs(a.mean() - 0.5) < 0.04
    assert a.unique().numel() == 1000


@triton.jit
def grid_kernel(out):
    x, y, z = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    gx, gy = tl.num_programs(0), tl.num_programs(1)
    tl.store(out + x + gx * (y + gy * z), x + 10 * y + 100 * z)


def test_program_ids_count_x_fastest():
    out = torch.full((3 * 4 * 5,), -1, dtype=torch.int32)
    grid_kernel[(3, 4, 5)](out)
    expected = [x + 10 * y + 100 * z for z in range(5) for y in range(4) for x in range(3)]
    assert out.tolist() == expected


def test_a_grid_of_zero_programs_does_nothing():
    out = torch.full((4,), 5.0)
    add_kernel[(0,)](out, out, out, 4, BLOCK=16)
    assert out.tolist() == [5.0] * 4


@triton.jit
def store_then_mask_kernel(x, out, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    v = tl.load(x + i)
    before = tl.load(out + i)
    tl.store(out + i, v, mask=v > 0)
    tl.store(out + i, -v, mask=before > 0)


def test_the_mask_of_a_second_store_is_from_before_the_first():
    x, out = torch.randn(64), torch.randn(64)
    expected = torch.where(out > 0, -x, torch.where(x > 0, x, out))
    store_then_mask_kernel[(1,)](x, out, BLOCK=64)
    assert torch.equal(out, expected)


@triton.jit
def narrow_library_kernel(x, y, out, scalar, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    mask = i < n
    v = libdevice.fmod(tl.load(x + i, mask=mask), tl.load(y + i, mask=mask, other=1.0))
    tl.store(out + i, libdevice.fmod(v, scalar), mask=mask)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_device_library_takes_narrow_and_mixed_operands(dtype):
    x, y = (torch.randn(20) * 9).to(dtype), (torch.rand(20) + 3).to(dtype)
    out = torch.empty_like(x)
    narrow_library_kernel[(1,)](x, y, out, 2, 20, BLOCK=32)
    expected = torch.fmod(torch.fmod(x.float(), y.float()).to(dtype).float(), 2.0).to(dtype)
    assert torch.equal(out, expected)
