"""Products whose factors are read where they lie: runs that break off, output over a factor, and where memory ends."""

import ctypes
import math
import mmap

import pytest
import torch
import triton
import triton.language as tl

from benchmarks.product_kernels import gemv_kernel, mm_kernel

DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.int8]
TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2, torch.int8: 0}


def random(m, n, dtype):
    return torch.randint(-128, 128, (m, n), dtype=dtype) if dtype == torch.int8 else torch.randn(m, n).to(dtype)


def output(m, n, dtype):
    return torch.full((m, n), 77, dtype=torch.int32 if dtype == torch.int8 else dtype)


def product(a, b):
    return (a.long() @ b.long()).int() if a.dtype == torch.int8 else (a.double() @ b.double()).to(a.dtype)


def check(c, expected, dtype, depth):
    tolerance = TOLERANCE[dtype]
    torch.testing.assert_close(c, expected, rtol=tolerance, atol=tolerance * math.sqrt(depth))


def launch(a, b, c, blocks=(32, 64, 32)):
    (m, k), n = a.shape, b.shape[1]
    grid = (triton.cdiv(m, blocks[0]) * triton.cdiv(n, blocks[1]),)
    total = tl.int32 if a.dtype == torch.int8 else tl.float32
    sizes = dict(zip(("BM", "BN", "BK"), blocks, strict=True))
    mm_kernel[grid](a, b, c, m, n, k, *a.stride(), *b.stride(), *c.stride(), **sizes, GROUP=4, SUM=total)


class GuardedMemory:
    """Tensors whose last byte is the last of a page, behind which reading ends the process."""

    def __init__(self):
        self.maps = []

    def copy(self, tensor):
        size = tensor.numel() * tensor.element_size()
        pages = -(-size // mmap.PAGESIZE)
        area = mmap.mmap(-1, (pages + 1) * mmap.PAGESIZE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(area))
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        assert protect(start + pages * mmap.PAGESIZE, mmap.PAGESIZE, 0) == 0
        self.maps.append(area)
        offset = pages * mmap.PAGESIZE - size
        flat = torch.frombuffer(area, dtype=tensor.dtype, count=tensor.numel(), offset=offset)
        flat.copy_(tensor.contiguous().view(-1))
        return flat.view(tensor.shape)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("transposed", [False, True], ids=["", "right transposed"])
@pytest.mark.parametrize("shape", [(32, 64, 32), (13, 64, 64), (64, 70, 96), (29, 91, 77), (1, 64, 128), (1, 61, 71)])
def test_nothing_behind_the_end_of_a_factor_is_read(shape, transposed, dtype):
    m, n, k = shape
    guarded = GuardedMemory()
    a, b = random(m, k, dtype), random(k, n, dtype)
    left = guarded.copy(a)
    right = guarded.copy(b.t()).t() if transposed else guarded.copy(b)
    c = output(m, n, dtype)
    launch(left, right, c)
    check(c, product(a, b), dtype, k)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("rows", [1, 2, 33, 97])
@pytest.mark.parametrize("depth", [32, 70, 64 * 33, 64 * 33 + 1])
def test_one_row_is_left_over(rows, depth, dtype):
    a, b = random(rows, depth, dtype), random(130, depth, dtype).t()
    c = output(rows, 130, dtype)
    launch(a, b, c)
    check(c, product(a, b), dtype, depth)


@triton.jit
def jumping_kernel(a, b, c, K, JUMP: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    """Steps of K in an order of their own: backwards, or every second one and then the others."""
    rows, columns, depth = tl.arange(0, BM), tl.arange(0, BN), tl.arange(0, BK)
    steps = K // BK
    total = tl.zeros((BM, BN), dtype=tl.float32)
    for i in range(0, steps):
        step = steps - 1 - i if JUMP == "back" else i // 2 + (i % 2) * (steps // 2)
        x = tl.load(a + rows[:, None] * K + (step * BK + depth)[None, :])
        y = tl.load(b + (step * BK + depth)[:, None] * BN + columns[None, :])
        total = tl.dot(x, y, total)
    tl.store(c + rows[:, None] * BN + columns[None, :], total)


@pytest.mark.parametrize("jump", ["back", "by turns"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_steps_that_do_not_follow_each_other_in_memory(jump, dtype):
    a, b = random(16, 16 * 90, dtype), random(16 * 90, 32, dtype)
    c = torch.empty(16, 32)
    jumping_kernel[(1,)](a, b, c, 16 * 90, JUMP=jump, BM=16, BN=32, BK=16)
    torch.testing.assert_close(c, (a.double() @ b.double()).float(), rtol=1e-4, atol=1e-3)


@triton.jit
def square_kernel(a, b, c, BM: tl.constexpr, BK: tl.constexpr):
    rows, depth = tl.arange(0, BM), tl.arange(0, BK)
    total = tl.zeros((BM, BM), dtype=tl.float32)
    for k in range(0, BM, BK):
        x = tl.load(a + rows[:, None] * BM + (k + depth)[None, :])
        y = tl.load(b + (k + depth)[:, None] * BM + rows[None, :])
        total = tl.dot(x, y, total)
    tl.store(c + rows[:, None] * BM + rows[None, :], total)


@pytest.mark.parametrize("shift", [0, 5, -7], ids=["", "some elements on", "some elements before"])
def test_a_product_stored_over_its_left_factor(shift):
    memory, b = torch.randn(64 * 64 + 32), torch.randn(64, 64)
    a, c = memory[16 : 16 + 64 * 64].view(64, 64), memory[16 + shift : 16 + shift + 64 * 64].view(64, 64)
    expected = (a.double() @ b.double()).float()
    square_kernel[(1,)](a, b, c, BM=64, BK=16)
    torch.testing.assert_close(c, expected, rtol=1e-5, atol=1e-4)


@triton.jit
def writing_kernel(a, b, c, BM: tl.constexpr, BK: tl.constexpr, STEPS: tl.constexpr):
    rows, depth = tl.arange(0, BM), tl.arange(0, BK)
    total = tl.zeros((BM, BM), dtype=tl.float32)
    for k in range(0, STEPS):
        place = a + rows[:, None] * (BK * STEPS) + (k * BK + depth)[None, :]
        x = tl.load(place)
        y = tl.load(b + (k * BK + depth)[:, None] * BM + rows[None, :])
        total = tl.dot(x, y, total)
        tl.store(place, x * 0.0)
    tl.store(c + rows[:, None] * BM + rows[None, :], total)


def test_a_factor_that_the_loop_overwrites_is_not_read_late():
    a, b, c = torch.randn(32, 96), torch.randn(96, 32), torch.empty(32, 32)
    expected = (a.double() @ b.double()).float()
    writing_kernel[(1,)](a, b, c, BM=32, BK=16, STEPS=6)
    torch.testing.assert_close(c, expected, rtol=1e-5, atol=1e-4)
    assert not a.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("shape", [(8, 1024), (9, 1024), (4, 1000), (3, 2048), (1, 1), (6, 100)])
def test_a_sum_of_products_along_rows(shape, dtype):
    rows, depth = shape
    guarded = GuardedMemory()
    x, w, out = random(1, depth, dtype), random(rows, depth, dtype), torch.full((rows,), 77.0)
    block = max(triton.next_power_of_2(depth), 16)
    gemv_kernel[(triton.cdiv(rows, 4),)](guarded.copy(x), guarded.copy(w), out, rows, depth, depth, BN=4, BK=block)
    torch.testing.assert_close(out, (w.double() @ x.double()[0]).float(), rtol=1e-5, atol=1e-3)


def test_a_sum_of_negative_zeros_is_one():
    x, w, out = torch.zeros(1024), torch.full((4, 1024), -1.0), torch.empty(4)
    gemv_kernel[(1,)](x, w, out, 4, 1024, 1024, BN=4, BK=1024)
    assert out.signbit().all()
    assert not out.any()
