"""A target that computes something else than PyTorch is told, with where."""

from __future__ import annotations

import pytest
import torch
import torch_fl  # noqa: F401  registers the device
from flagos.flaggems import package
from flagos.route_tuning import agreement

pytestmark = [
    pytest.mark.flaggems_python,
    pytest.mark.skipif(isinstance(package.find(), str), reason=str(package.find())),
]


def differences(name: str, *operands: torch.Tensor) -> dict[str, str]:
    operator = getattr(torch.ops.aten, name).default
    return agreement.differences(operator, [(operands, {})], ["flagos"])


def test_results_that_agree() -> None:
    assert differences("neg", torch.tensor([0.5, float("nan"), float("inf")])) == {}
    assert differences("neg_", torch.tensor([0.5, -3.0])) == {}


def test_a_kernel_that_computes_in_float32() -> None:
    values = torch.tensor([0.5, 3.0, -8.0])
    assert differences("i0", values) == {}
    told = differences("i0", values.double())["flagos"]
    assert told.startswith("float64: Greatest absolute difference: ")


def test_a_kernel_that_cancels_where_operands_are_large() -> None:
    assert "float32: Greatest absolute" in differences("arcsinh", torch.tensor([-0.5, 3.0, -8.0]))["flagos"]


def test_what_is_not_served_is_not_wrong() -> None:
    assert differences("mm", *torch.ones(2, 4, 4, dtype=torch.int64)) == {}
