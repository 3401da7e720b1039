"""Operators that PyTorch composes of others: a rule can have one served whole, and gradients stay right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch_fl import routing

from .process import fresh, output_of


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    routing.reset()


@pytest.fixture(scope="module")
def whole() -> str:
    """A target that serves some composites whole, with values of its own so that it shows."""

    def scalar_tensor(value: complex, **options: object) -> torch.Tensor:
        return torch.empty((), device=options["device"]).fill_(value + 1)

    def feature_alpha_dropout_(x: torch.Tensor, p: float, train: bool) -> torch.Tensor:
        return x.fill_(7)

    routing.register_target(
        "whole",
        {
            "scalar_tensor": scalar_tensor,
            "square": lambda x: x * x + 1,
            "feature_alpha_dropout_": feature_alpha_dropout_,
        },
    )
    return "whole"


def test_a_factory_is_served_whole(whole: str) -> None:
    assert torch.scalar_tensor(3.0, device="flagos").item() == 3
    with routing.override("scalar_tensor", whole), routing.trace() as ledger:
        assert torch.scalar_tensor(3.0, device="flagos").item() == 4
    assert ("scalar_tensor", whole) in {(entry.operator, entry.target) for entry in ledger.report()}
    assert torch.scalar_tensor(3.0, device="flagos").item() == 3, "cpu is PyTorch's composition again"


def test_a_call_that_needs_gradients_is_composed(whole: str) -> None:
    x = torch.tensor([3.0], device="flagos", requires_grad=True)
    with routing.override("square", whole):
        with torch.no_grad():
            assert torch.square(x).item() == 10
        y = torch.square(x)
        assert y.item() == 9
        y.backward()
        assert torch.square(x.detach()).item() == 10
        with torch.autograd.forward_ad.dual_level():
            dual = torch.autograd.forward_ad.make_dual(x.detach(), torch.ones(1, device="flagos"))
            assert torch.autograd.forward_ad.unpack_dual(torch.square(dual)).tangent.item() == 6
    assert x.grad is not None
    assert x.grad.item() == 6


def test_a_tensor_that_was_saved_and_then_written_whole_is_found_out(whole: str) -> None:
    weight = torch.ones(2, device="flagos", requires_grad=True)
    x = torch.ones(2, device="flagos")
    y = (weight * x).sum()
    with routing.override("feature_alpha_dropout_", whole):
        torch.feature_alpha_dropout_(x, 0.5, True)
    assert x.tolist() == [7, 7]
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_explain_says_that_it_is_composed(whole: str) -> None:
    said = routing.explain("corrcoef")
    assert said.composed
    assert said.runs == "cpu"
    assert "PyTorch composes it of other operators" in str(said)
    assert "corrcoef" not in {route.operator for route in routing.table()}
    with routing.override("square", whole):
        assert not routing.explain("square").composed
        assert routing.explain("square").runs == whole


def test_a_conf_file_holds_for_the_first_tensor(tmp_path: Path) -> None:
    conf = tmp_path / "mine.conf"
    conf.write_text("zeros = cuda  # absent here\n")
    program = """
        import torch, torch_fl
        try:
            torch.zeros(3, device="flagos")
        except NotImplementedError as error:
            print(error)
    """
    done = fresh(program, FLAGOS_BACKEND_CONFIG=str(conf))
    assert done.returncode == 0, done.stderr
    assert "mine.conf:1:1: zeros = cuda" in done.stdout
    assert "target 'cuda' is absent here" in done.stderr


def test_the_shipped_conf_leaves_composites_alone() -> None:
    program = """
        import torch, torch_fl
        torch.zeros(3, device="flagos")
        print(torch._C._dispatch_has_kernel_for_dispatch_key("aten::zeros", "PrivateUse1"))
    """
    assert output_of(program).strip() == "False"
    assert fresh(program, FLAGOS_OP_zeros="cpu").returncode == 0
