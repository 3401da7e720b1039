"""The kernels that a conf line names are those that run, and give the CPU's values: one test for each supplier."""

from __future__ import annotations

import pytest
import torch
from torch_fl import routing

from tests.integration.reference import values

CALLS = {
    "add.Tensor": lambda x: x + x,
    "mul.Tensor": lambda x: x * x,
    "mm": lambda x: torch.mm(x, x),
    "silu": torch.nn.functional.silu,
    "cos": torch.cos,
    "rsqrt": torch.rsqrt,
    "_softmax": lambda x: torch.softmax(x, -1),
    "mean.dim": lambda x: x.mean(-1, keepdim=True),
    "embedding": lambda x: torch.nn.functional.embedding(torch.tensor([3, 1], device=x.device), x),
    "index_select": lambda x: torch.index_select(x, 0, torch.tensor([3, 1], device=x.device)),
}


def runs_on(operator: str, target: str) -> None:
    """Routes the operator to the target, calls it, and looks into the ledger and at the values."""
    operand = values(16, 16)
    expected = CALLS[operator](operand)
    with routing.override(operator, target), routing.trace() as ledger:
        actual = CALLS[operator](operand.to("flagos"))
    served = {(entry.operator, entry.target) for entry in ledger.report() if entry.calls > entry.declined}
    assert (operator, target) in served
    torch.testing.assert_close(actual.cpu(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.anyplatform
@pytest.mark.parametrize("operator", CALLS)
def test_cpu_kernels(operator: str) -> None:
    runs_on(operator, "cpu")


@pytest.mark.cuda
@pytest.mark.parametrize("operator", CALLS)
def test_cuda_kernels(operator: str) -> None:
    runs_on(operator, "cuda")


@pytest.mark.ascend
@pytest.mark.parametrize("operator", CALLS)
def test_ascend_kernels(operator: str) -> None:
    runs_on(operator, "ascend")


@pytest.mark.flaggems
@pytest.mark.parametrize("operator", CALLS)
def test_flaggems_kernels(operator: str) -> None:
    runs_on(operator, "flagos")


@pytest.mark.flaggems_python
@pytest.mark.parametrize("operator", CALLS)
def test_flaggems_python_functions(operator: str) -> None:
    runs_on(operator, "flagos_python")


@pytest.mark.anyplatform
def test_unknown_operator_and_target_are_refused() -> None:
    with pytest.raises(ValueError, match="add"):
        routing.override("addd.Tensor", "cpu")
    with pytest.raises(ValueError, match="cpu"):
        routing.override("add.Tensor", "cpuu")
