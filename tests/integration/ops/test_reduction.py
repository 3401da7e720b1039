"""Reductions, scans and sorting: dimensions, keepdim, dtypes, empty operands."""

from __future__ import annotations

import pytest
import torch

from tests.integration.reference import same_as_cpu, values

pytestmark = pytest.mark.anyplatform


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [0, -1, (0, 2)])
@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin", "std", "logsumexp"])
def test_over_dimensions(name: str, dim: int | tuple[int, ...], keepdim: bool) -> None:
    same_as_cpu(lambda x: getattr(torch, name)(x, dim=dim, keepdim=keepdim), values(3, 4, 5))


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "max", "min", "argmax", "argmin", "norm", "var"])
def test_over_everything(name: str) -> None:
    assert same_as_cpu(getattr(torch, name), values(3, 4)).shape == ()


@pytest.mark.parametrize("name", ["max", "min", "sort", "median", "cummax", "mode"])
def test_values_and_indices(name: str) -> None:
    result = same_as_cpu(lambda x: tuple(getattr(torch, name)(x, dim=1)), values(4, 6))
    assert result[1].dtype == torch.int64


def test_integers_sum_to_int64() -> None:
    assert same_as_cpu(torch.sum, values(5, dtype=torch.int8)).dtype == torch.int64


def test_all_any_and_counts() -> None:
    mask = values(3, 4, dtype=torch.bool)
    for function in (torch.all, torch.any, torch.count_nonzero):
        same_as_cpu(function, mask)


def test_scans() -> None:
    same_as_cpu(lambda x: x.cumsum(-1), values(3, 4))
    same_as_cpu(lambda x: x.cumprod(0), values(3, 4))


def test_topk() -> None:
    same_as_cpu(lambda x: tuple(x.topk(3)), values(4, 9))


def test_softmax_sums_to_one() -> None:
    result = same_as_cpu(lambda x: torch.softmax(x, -1), values(3, 7))
    torch.testing.assert_close(result.sum(-1).cpu(), torch.ones(3))


def test_empty_operands() -> None:
    assert same_as_cpu(torch.sum, torch.empty(0, 3)).item() == 0
    assert same_as_cpu(torch.mean, torch.empty(0)).isnan().item()
    with pytest.raises((RuntimeError, IndexError), match=r"zero|empty|numel"):
        torch.empty(0, device="flagos").max()


def test_nonzero_has_a_size_that_depends_on_values() -> None:
    same_as_cpu(torch.nonzero, values(5, 5, dtype=torch.bool))
    same_as_cpu(lambda x: torch.unique(x), values(30, dtype=torch.int64))
