"""Launches that write more than half of the last cache, whose stores go past it: Note [Past the caches]."""

import pytest
import torch
import triton
import triton.language as tl
from flagos.triton import native

CACHE = native.host_target().cache_bytes
LARGEST = 512 << 20  # bytes; what half a cache may be for these tests

pytestmark = pytest.mark.skipif(not 0 < CACHE // 2 <= LARGEST, reason=f"the last cache is {CACHE >> 20} MiB")


@triton.jit
def add_kernel(x, y, out, n, B: tl.constexpr):
    at = tl.program_id(0) * B + tl.arange(0, B)
    tl.store(out + at, tl.load(x + at, mask=at < n) + tl.load(y + at, mask=at < n), mask=at < n)


def numbers(count: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.arange(count, dtype=torch.int32).remainder_(61).to(dtype)


@pytest.mark.parametrize("first", [0, 1, 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int16, torch.int8], ids=str)
def test_a_sum(dtype, first):
    """From the beginning of a line, from its second element, which is the beginning of none, and in between."""
    n = CACHE // 2 // dtype.itemsize + 77
    x, y = numbers(n, dtype), numbers(n, dtype).flip(0)
    out = torch.zeros(n + first, dtype=dtype)[first:]
    add_kernel[(triton.cdiv(n, 4096),)](x, y, out, n, B=4096)
    assert torch.equal(out, x + y)


def test_in_place():
    n = CACHE // 8
    x, y = numbers(n, torch.float32), numbers(n, torch.float32).flip(0)
    expected = x + y
    add_kernel[(triton.cdiv(n, 1024),)](x, y, x, n, B=1024)
    assert torch.equal(x, expected)


@triton.jit
def chain_kernel(x, written, read, out, n, B: tl.constexpr):
    at = tl.program_id(0) * B + tl.arange(0, B)
    tl.store(written + at, tl.load(x + at) + 1, mask=at < n)
    back = tl.program_id(0) * B + B - 1 - tl.arange(0, B)
    tl.store(out + at, tl.load(read + back), mask=at < n)


def test_a_program_reads_what_it_has_written():
    """By another argument, of which the compiler does not know that it is the same."""
    n = CACHE // 8
    x = numbers(n, torch.float32)
    between, out = torch.empty_like(x), torch.empty_like(x)
    chain_kernel[(n // 1024,)](x, between, between, out, n, B=1024)
    assert torch.equal(out, (x + 1).view(-1, 1024).flip(1).reshape(-1))


@triton.jit
def turned_copy_kernel(x, out, rows, columns, M: tl.constexpr, N: tl.constexpr):
    i = tl.program_id(0) * M + tl.arange(0, M)[:, None]
    j = tl.program_id(1) * N + tl.arange(0, N)[None, :]
    mask = (i < rows) & (j < columns)
    tl.store(out + j * rows + i, tl.load(x + i * columns + j, mask=mask), mask=mask)


def test_a_transposed_copy():
    columns = 2000
    rows = CACHE // 8 // columns + 3
    x = numbers(rows * columns, torch.float32).view(rows, columns)
    out = torch.empty(columns, rows)
    turned_copy_kernel[(triton.cdiv(rows, 64), triton.cdiv(columns, 64))](x, out, rows, columns, M=64, N=64)
    assert torch.equal(out, x.T)


@triton.jit
def rows_kernel(x, out, n, B: tl.constexpr):
    x += tl.program_id(0) * n
    out += tl.program_id(0) * n
    for at in range(0, n, B):
        c = at + tl.arange(0, B)
        tl.store(out + c, tl.load(x + c, mask=c < n).to(tl.float32) * 2, mask=c < n)


@pytest.mark.parametrize("n", [4096, 4080, 4090])
def test_rows_in_a_loop(n):
    """All of them begin a line, one in four does (of floats), one in eight."""
    rows = CACHE // 8 // n + 1
    x = numbers(rows * n, torch.bfloat16).view(rows, n)
    out = torch.empty(rows, n)
    rows_kernel[(rows,)](x, out, n, B=1024)
    assert torch.equal(out, x.float() * 2)
