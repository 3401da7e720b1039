"""Products of 8-bit floats: `python -m tests.triton.small_float_dots FILE` saves the sums of each pair of types, by
whatever Triton is asked to be (TRITON_INTERPRET).
"""

import itertools
import sys

import torch
import triton
import triton.language as tl

TYPES = (torch.float8_e4m3fn, torch.float8_e5m2)
CASES = list(itertools.product(TYPES, TYPES, (False, True)))


@triton.jit
def small_float_kernel(a, b, c, M, N, K: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    rows, columns, depth = tl.arange(0, BM), tl.arange(0, BN), tl.arange(0, BK)
    total = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        inside = k + depth < K
        x = tl.load(a + rows[:, None] * K + (k + depth)[None, :], mask=(rows < M)[:, None] & inside[None, :], other=0.0)
        y = tl.load(
            b + (k + depth)[:, None] * N + columns[None, :], mask=inside[:, None] & (columns < N)[None, :], other=0.0
        )
        total = tl.dot(x, y, total)
    tl.store(c + rows[:, None] * N + columns[None, :], total, mask=(rows < M)[:, None] & (columns < N)[None, :])


def factors(left: torch.dtype, right: torch.dtype, small: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Of normal numbers; and, if `small`, of subnormal ones too."""
    torch.manual_seed(0)
    a, b = (torch.where(x.abs() < 0.02, 0.02, x) for x in (torch.randn(50, 90), torch.randn(90, 60)))
    if small:
        a[::3] *= torch.finfo(left).smallest_normal
        b[:, ::2] *= torch.finfo(right).smallest_normal
    return a.to(left), b.to(right)


def main() -> None:
    sums = []
    for left, right, small in CASES:
        a, b = factors(left, right, small)
        c = torch.empty(50, 60)
        small_float_kernel[(1,)](a, b, c, 50, 60, 90, BM=64, BN=64, BK=32)
        sums.append(c)
    torch.save(sums, sys.argv[1])


if __name__ == "__main__":
    main()
