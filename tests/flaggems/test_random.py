"""FlagGems' random operators: their distributions, and numbers that follow from the generator's state alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from flagos.flaggems import package
from torch_fl import routing

from tests.flaggems.expectations import RANDOM

N = 40_000
DEVICE = "flagos"

pytestmark = [
    pytest.mark.flaggems_python,
    pytest.mark.skipif(isinstance(package.find(), str), reason=str(package.find())),
]


@pytest.fixture(scope="module", autouse=True)
def flaggems_serves() -> Iterator[None]:
    with routing.override("*", "flagos_python, cpu"):
        yield


def _empty(*shape: int) -> torch.Tensor:
    return torch.empty(*shape or (N,), device=DEVICE)


def _on(value: float) -> torch.Tensor:
    return torch.full((N,), value, device=DEVICE)


#: Entry -> what draws N numbers, and their mean and standard deviation.
DRAWS: dict[str, tuple[Callable[[], torch.Tensor], float, float]] = {
    "bernoulli_.float": (lambda: _empty().bernoulli_(0.3), 0.3, math.sqrt(0.21)),
    "exponential_": (lambda: _empty().exponential_(2.0), 0.5, 0.5),
    "multinomial": (
        lambda: torch.multinomial(torch.tensor([0.5, 0.5], device=DEVICE), N, replacement=True).float(),
        0.5,
        0.5,
    ),
    "native_dropout": (
        lambda: torch.native_dropout(_on(1.0), 0.2, True)[0],
        1.0,
        0.5,
    ),
    "normal.Tensor_Tensor": (lambda: torch.normal(_on(3.0), _on(2.0)), 3.0, 2.0),
    "normal.Tensor_float": (lambda: torch.normal(_on(3.0), 2.0), 3.0, 2.0),
    "normal.float_Tensor": (lambda: torch.normal(3.0, _on(2.0)), 3.0, 2.0),
    "normal_": (lambda: _empty().normal_(3.0, 2.0), 3.0, 2.0),
    "rand": (lambda: torch.rand(N, device=DEVICE), 0.5, math.sqrt(1 / 12)),
    "rand_like": (lambda: torch.rand_like(_empty()), 0.5, math.sqrt(1 / 12)),
    "randn": (lambda: torch.randn(N, device=DEVICE), 0.0, 1.0),
    "randn_like": (lambda: torch.randn_like(_empty()), 0.0, 1.0),
    "randperm": (lambda: torch.randperm(N, device=DEVICE).double() / N, 0.5, math.sqrt(1 / 12)),
    "uniform_": (lambda: _empty().uniform_(-1.0, 3.0), 1.0, 4 * math.sqrt(1 / 12)),
}


def test_each_random_entry_is_here() -> None:
    assert set(DRAWS) == RANDOM


@pytest.mark.parametrize("entry", sorted(DRAWS))
def test_distribution(entry: str) -> None:
    draw, mean, deviation = DRAWS[entry]
    torch.flagos.manual_seed(11)
    with routing.trace() as ledger:
        first = draw().cpu().double()
    assert {row.target for row in ledger.report() if row.operator == entry and row.calls > row.declined} == {
        "flagos_python"
    }
    torch.flagos.manual_seed(11)
    assert torch.equal(draw().cpu().double(), first)
    assert not torch.equal(draw().cpu().double(), first)
    assert first.numel() == N
    # Five standard errors of the mean.
    assert abs(first.mean().item() - mean) < 5 * deviation / math.sqrt(N)
    assert abs(first.std().item() / deviation - 1) < 0.05
    if entry == "randperm":
        assert sorted((first * N).round().int().tolist()) == list(range(N))


@pytest.mark.parametrize("draw", ["uniform_", "normal_", "exponential_", "zero_"])
def test_a_view_with_gaps_is_filled_and_nothing_beside_it(draw: str) -> None:
    whole = torch.full((50, 2), 9.0, device=DEVICE)
    getattr(whole[:, 0], draw)()
    values = whole.cpu()
    assert (values[:, 1] == 9).all()
    assert (values[:, 0] != 9).all()
