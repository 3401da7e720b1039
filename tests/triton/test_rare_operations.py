"""Operations of tile IR that stock Triton's language does not write, run from text; `random_check` has all others."""

from pathlib import Path

import torch
import triton

KERNEL = Path(__file__).parents[1] / "compiler" / "kernels" / "rare.ttir"


def test_operations_that_only_text_has_are_lowered():
    x = torch.arange(-32, 32, dtype=torch.int32)
    y = torch.tensor([1, -1, 2, -3, 7, -7, 16, 100] * 8, dtype=torch.int32)
    f = torch.linspace(-6, 6, 64)
    f[3] = 0.0
    out = torch.zeros(256, dtype=torch.int32)
    triton.compile(str(KERNEL))[(1, 1, 1)](x, y, f, out, 0)
    up, down, minus, tanh = out.split(64)
    assert torch.equal(up, -torch.div(-x, y, rounding_mode="floor"))
    assert torch.equal(down, torch.div(x, y, rounding_mode="floor"))
    assert torch.equal(minus.view(torch.float32), -f)
    assert torch.signbit(minus.view(torch.float32))[3]
    torch.testing.assert_close(tanh.view(torch.float32), torch.tanh(f), rtol=4e-7, atol=0)
