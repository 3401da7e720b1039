"""Elementwise operators: dtypes, promotion, broadcasting, strides, in-place and `out=`."""

from __future__ import annotations

import pytest
import torch

from tests.integration.reference import same_as_cpu, values

pytestmark = pytest.mark.anyplatform

FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
UNARY = ("abs", "neg", "exp", "log", "sqrt", "rsqrt", "sin", "cos", "tanh", "sigmoid", "erf", "reciprocal", "floor")
BINARY = ("add", "sub", "mul", "div", "pow", "maximum", "minimum", "atan2", "fmod", "eq", "ne", "lt", "le", "gt", "ge")


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str, dtype: torch.dtype) -> None:
    result = same_as_cpu(getattr(torch, name), values(3, 5, dtype=dtype))
    assert result.shape == (3, 5)
    assert result.dtype == dtype


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", BINARY)
def test_binary(name: str, dtype: torch.dtype) -> None:
    same_as_cpu(getattr(torch, name), values(3, 5, dtype=dtype), values(3, 5, dtype=dtype, seed=1))


@pytest.mark.parametrize("shapes", [((4, 1), (1, 5)), ((), (2, 3)), ((2, 1, 4), (3, 1)), ((0, 3), (3,))], ids=str)
def test_broadcast(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    left, right = values(*shapes[0]), values(*shapes[1], seed=1)
    assert same_as_cpu(torch.add, left, right).shape == torch.broadcast_shapes(*shapes)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (torch.int32, torch.float32, torch.float32),
        (torch.float16, torch.float32, torch.float32),
        (torch.bfloat16, torch.float16, torch.float32),
        (torch.bool, torch.int64, torch.int64),
        (torch.uint8, torch.int8, torch.int16),
    ],
)
def test_promotion(left: torch.dtype, right: torch.dtype, expected: torch.dtype) -> None:
    assert same_as_cpu(torch.add, values(4, dtype=left), values(4, dtype=right, seed=1)).dtype == expected


def test_a_number_does_not_widen_a_tensor() -> None:
    assert same_as_cpu(lambda x: x + 1.5, values(4, dtype=torch.float16)).dtype == torch.float16
    assert same_as_cpu(lambda x: x * 2, values(4, dtype=torch.int16)).dtype == torch.int16


def test_zero_dimensional_cpu_operand_is_taken_as_a_number() -> None:
    result = values(3).to("flagos") + torch.tensor(2.0)
    assert result.device.type == "flagos"
    torch.testing.assert_close(result.cpu(), values(3) + 2)


def test_strided_operands() -> None:
    same_as_cpu(lambda x, y: x.t() + y[:, ::2], values(4, 3), values(3, 8))


def test_in_place_keeps_the_tensor() -> None:
    x = values(3, 4).to("flagos")
    address = x.data_ptr()
    assert x.mul_(2).add_(1) is x
    assert x.data_ptr() == address
    torch.testing.assert_close(x.cpu(), values(3, 4) * 2 + 1)


def test_in_place_through_a_view_writes_the_base() -> None:
    x = torch.zeros(3, 4, device="flagos")
    x[:, 1:3].fill_(7)
    assert x.sum().item() == 42


def test_out_is_written_and_resized() -> None:
    x, out = values(2, 3).to("flagos"), torch.empty(0, device="flagos")
    assert torch.mul(x, 3, out=out) is out
    assert out.shape == (2, 3)
    torch.testing.assert_close(out.cpu(), values(2, 3) * 3)


def test_where_and_clamp() -> None:
    same_as_cpu(lambda c, x, y: torch.where(c, x, y), values(3, 4, dtype=torch.bool), values(3, 4), values(4, seed=1))
    same_as_cpu(lambda x: x.clamp(0.3, 0.6), values(3, 4))
