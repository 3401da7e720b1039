"""Products, convolution, normalisation, attention and losses, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tests.integration.reference import same_as_cpu, values

pytestmark = pytest.mark.anyplatform


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
def test_mm(dtype: torch.dtype) -> None:
    assert same_as_cpu(torch.mm, values(5, 7, dtype=dtype), values(7, 3, dtype=dtype)).shape == (5, 3)


@pytest.mark.parametrize("shapes", [((7,), (7,)), ((5, 7), (7,)), ((2, 5, 7), (7, 3)), ((2, 1, 5, 7), (4, 7, 3))])
def test_matmul_broadcasts(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    same_as_cpu(torch.matmul, values(*shapes[0]), values(*shapes[1]))


def test_transposed_operands() -> None:
    same_as_cpu(lambda x, y: x.t() @ y.t(), values(7, 5), values(3, 7))


def test_bmm_addmm_baddbmm() -> None:
    same_as_cpu(torch.bmm, values(2, 3, 4), values(2, 4, 5))
    same_as_cpu(torch.addmm, values(5), values(3, 4), values(4, 5))
    same_as_cpu(torch.baddbmm, values(2, 3, 5), values(2, 3, 4), values(2, 4, 5))


def test_wrong_inner_size_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        torch.mm(values(2, 3).to("flagos"), values(2, 3).to("flagos"))


def _gradients(function: Callable[..., torch.Tensor]) -> Callable[..., Any]:
    def with_gradients(*operands: torch.Tensor) -> Any:
        leaves = [operand.detach().requires_grad_() for operand in operands]
        result = function(*leaves)
        return result.detach(), torch.autograd.grad(result.sum(), leaves)

    return with_gradients


DIFFERENTIABLE: dict[str, tuple[Callable[..., torch.Tensor], tuple[tuple[int, ...], ...]]] = {
    "linear": (F.linear, ((4, 6), (5, 6), (5,))),
    "conv2d": (lambda x, w, b: F.conv2d(x, w, b, padding=1), ((2, 3, 8, 8), (4, 3, 3, 3), (4,))),
    "conv1d": (lambda x, w, b: F.conv1d(x, w, b, stride=2), ((2, 3, 9), (4, 3, 3), (4,))),
    "conv_transpose2d": (F.conv_transpose2d, ((2, 3, 5, 5), (3, 4, 3, 3))),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (6,), w, b), ((4, 6), (6,), (6,))),
    "rms_norm": (lambda x, w: F.rms_norm(x, (6,), w), ((4, 6), (6,))),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), ((2, 4, 5), (4,), (4,))),
    "attention": (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), ((2, 2, 6, 8),) * 3),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2), ((2, 3, 8, 8),)),
    "interpolate": (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), ((1, 2, 4, 4),)),
    "activations": (lambda x: F.gelu(x) + F.silu(x) + F.relu(x), ((4, 6),)),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_forward_and_backward(name: str) -> None:
    function, shapes = DIFFERENTIABLE[name]
    same_as_cpu(_gradients(function), *(values(*shape, seed=seed) for seed, shape in enumerate(shapes)))


def test_cross_entropy_and_its_gradient() -> None:
    def loss(logits: torch.Tensor, labels: torch.Tensor) -> Any:
        leaf = logits.detach().requires_grad_()
        result = F.cross_entropy(leaf, labels, ignore_index=2)
        return result.detach(), torch.autograd.grad(result, leaf)

    same_as_cpu(loss, values(6, 20), values(6, dtype=torch.int64) % 20)


def test_embedding() -> None:
    same_as_cpu(F.embedding, values(3, 4, dtype=torch.int64), values(20, 5))


def test_lstm_and_gru() -> None:
    for kind in (torch.nn.LSTM, torch.nn.GRU):
        torch.manual_seed(0)
        module, operand = kind(5, 6, batch_first=True), values(2, 7, 5)
        expected, _ = module(operand)
        actual, _ = module.to("flagos")(operand.to("flagos"))
        torch.testing.assert_close(actual.cpu(), expected)
