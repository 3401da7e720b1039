"""Operators that FlagGems registers under names that no call of PyTorch reaches by a route: its functions, called."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
import torch_fl  # noqa: F401  registers the device, and the import hook of flag_gems
from flagos.flaggems import package
from flagos.route_tuning.arguments import BOTH, FLOATS, INTEGERS, Maker
from flagos.triton.native import launch_count

from tests.flaggems.checking import tolerances
from tests.flaggems.expectations import DIRECT

pytestmark = [
    pytest.mark.flaggems_python,
    pytest.mark.skipif(isinstance(package.find(), str), reason=str(package.find())),
]
HALVES = (torch.float16, torch.bfloat16)
CHECKED: set[str] = set()


def function(entry: str):
    import flag_gems

    CHECKED.add(entry)
    return next(row[1] for row in flag_gems._FULL_CONFIG if row[0] == entry)


def on_device(*values):
    return [value.to("flagos") if isinstance(value, torch.Tensor) else value for value in values]


def agree(entry: str, actual: torch.Tensor, expected: torch.Tensor, launched_before: int) -> None:
    assert launch_count() > launched_before, "no compiled kernel was launched"
    assert actual.device.type == "flagos"
    assert actual.dtype == expected.dtype
    allowed = tolerances(entry).get(str(expected.dtype).removeprefix("torch."))
    if allowed is None:
        assert torch.equal(actual.cpu(), expected)
    else:
        torch.testing.assert_close(actual.cpu(), expected, rtol=allowed.relative, atol=allowed.absolute, equal_nan=True)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("entry", ["bitwise_left_shift", "bitwise_right_shift"])
def test_shifts(entry: str, dtype: torch.dtype) -> None:
    t, before = Maker(dtype), launch_count()
    x, by = t(5, 37, low=0, high=50), t(5, 37, low=0, high=4)
    agree(entry, function(entry)(*on_device(x, by)), getattr(torch, entry)(x, by), before)


@pytest.mark.parametrize("dtype", FLOATS)
def test_copysign(dtype: torch.dtype) -> None:
    t, before = Maker(dtype), launch_count()
    x, y = t(5, 37), t(37)
    agree("copysign", function("copysign")(*on_device(x, y)), torch.copysign(x, y), before)


@pytest.mark.parametrize("dtype", BOTH)
def test_greater_out(dtype: torch.dtype) -> None:
    t, before = Maker(dtype), launch_count()
    x, y = t(5, 37), t(5, 37)
    out = torch.empty(5, 37, dtype=torch.bool, device="flagos")
    agree("greater.out", function("greater.out")(*on_device(x, y), out=out), x > y, before)


@pytest.mark.parametrize("dtype", BOTH)
def test_new_full(dtype: torch.dtype) -> None:
    x, before = Maker(dtype)(3), launch_count()
    agree("new_full.Tensor", function("new_full.Tensor")(x.to("flagos"), (5, 37), 2), x.new_full((5, 37), 2), before)


@pytest.mark.parametrize("dtype", BOTH)
def test_copy(dtype: torch.dtype) -> None:
    t, before = Maker(dtype), launch_count()
    x, y = t(5, 37), t(37)
    agree("copy_", function("copy_")(*on_device(x, y)), x.clone().copy_(y), before)


@pytest.mark.parametrize("reduction", [0, 1, 2])
def test_nll_loss_of_more_dimensions(reduction: int) -> None:
    t = Maker(torch.float32)
    x, target, weight = t(2, 5, 3, 4).requires_grad_(), t.index(2, 3, 4, below=5), t(5, low=0.5, high=1)
    names = ("none", "mean", "sum")
    loss = F.nll_loss(x, target, weight, reduction=names[reduction])
    before = launch_count()
    device = on_device(x.detach(), target, weight)
    out, total = function("nll_loss_nd_forward")(*device, reduction)
    agree("nll_loss_nd_forward", out, loss.detach(), before)
    loss.backward(torch.ones_like(loss))
    before = launch_count()
    gradient = function("nll_loss_nd_backward")(torch.ones_like(out), *device, reduction, -100, total)
    agree("nll_loss_nd_backward", gradient, x.grad, before)


@pytest.mark.parametrize("dtype", HALVES)
def test_scaled_softmax(dtype: torch.dtype) -> None:
    t, before = Maker(dtype), launch_count()
    x, gradient = t(2, 3, 16, 64), t(2, 3, 16, 64)
    wide = x.float().requires_grad_()
    expected = (wide * 0.5).softmax(-1)
    out = function("scaled_softmax_forward")(x.to("flagos"), 0.5)
    agree("scaled_softmax_forward", out, expected.detach().to(dtype), before)
    expected.backward(gradient.float())
    before = launch_count()
    found = function("scaled_softmax_backward")(gradient.to("flagos"), out, 0.5)
    agree("scaled_softmax_backward", found, wide.grad.to(dtype), before)


@pytest.mark.parametrize("dtype", FLOATS)
def test_depthwise_convolution(dtype: torch.dtype) -> None:
    t, before = Maker(dtype), launch_count()
    x, weight, bias = t(2, 4, 9, 9), t(4, 1, 3, 3), t(4)
    out = function("_conv_depthwise2d")(*on_device(x, weight, [3, 3], bias), [1, 1], [1, 1], [1, 1])
    expected = F.conv2d(x.float(), weight.float(), bias.float(), padding=1, groups=4).to(dtype)
    agree("_conv_depthwise2d", out, expected, before)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", HALVES)
def test_flash_attention(dtype: torch.dtype, causal: bool) -> None:
    t, before = Maker(dtype), launch_count()
    q, k, v = (t(2, 33, 4, 64, low=-1, high=1) for _ in range(3))
    found = function("_flash_attention_forward")(*on_device(q, k, v), None, None, 33, 33, 0.0, causal, False)
    wide = (x.float().transpose(1, 2) for x in (q, k, v))
    expected = F.scaled_dot_product_attention(*wide, is_causal=causal).transpose(1, 2).to(dtype)
    agree("_flash_attention_forward", found[0], expected, before)


@pytest.mark.parametrize("dtype", FLOATS)
def test_max_pool2d_backward(dtype: torch.dtype) -> None:
    t = Maker(dtype)
    x = t(2, 3, 8, 9).requires_grad_()
    out, indices = F.max_pool2d(x, 3, stride=2, padding=1, return_indices=True)
    gradient = t(*out.shape)
    out.backward(gradient)
    before = launch_count()
    device = on_device(gradient, x.detach(), indices)
    found = function("max_pool2d_backward")(*device, [3, 3], [2, 2], [1, 1], [1, 1], False)
    agree("max_pool2d_backward", found, x.grad, before)


@pytest.mark.parametrize("dtype", FLOATS)
def test_embedding_backward(dtype: torch.dtype) -> None:
    t, before = Maker(dtype), launch_count()
    gradient, indices = t(6, 5), torch.tensor([0, 3, 8, 1, 4, 7])
    found = function("embedding_backward")(*on_device(gradient, indices), 9)
    expected = torch.zeros(9, 5, dtype=dtype).index_add_(0, indices, gradient)
    agree("embedding_backward", found, expected, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_gather_backward(dtype: torch.dtype) -> None:
    t, before = Maker(dtype), launch_count()
    gradient, x, index = t(5, 9), t(5, 37), t.index(5, 9, below=37)
    found = function("gather_backward")(*on_device(gradient, x, 1, index), False)
    expected = torch.zeros(5, 37).scatter_add_(1, index, gradient.float()).to(dtype)
    agree("gather_backward", found, expected, before)


def test_every_entry_that_no_route_reaches_is_here() -> None:
    if len(CHECKED) > 1:  # the whole file was run
        assert set(DIRECT) == CHECKED
