"""Views, joins, indexing, creation and copies: shapes, shared memory, and what crosses between host and device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.integration.reference import same_as_cpu, values

pytestmark = pytest.mark.anyplatform

VIEWS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "view": lambda x: x.view(6, 4),
    "transpose": lambda x: x.transpose(0, 2),
    "permute": lambda x: x.permute(2, 0, 1),
    "slice": lambda x: x[:, 1:, ::2],
    "select": lambda x: x[1],
    "expand": lambda x: x[:, :1].expand(2, 5, 4),
    "unfold": lambda x: x.unfold(2, 2, 1),
    "diagonal": lambda x: x.diagonal(dim1=1, dim2=2),
    "squeeze": lambda x: x.unsqueeze(0).squeeze(0),
    "flatten": lambda x: x.flatten(1),
    "as_strided": lambda x: x.as_strided((3, 2), (4, 1), 5),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_share_memory(name: str) -> None:
    base = values(2, 3, 4).to("flagos")
    view = VIEWS[name](base)
    assert view.untyped_storage().data_ptr() == base.untyped_storage().data_ptr()
    assert view.stride() == VIEWS[name](values(2, 3, 4)).stride()
    same_as_cpu(VIEWS[name], values(2, 3, 4))


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_cat_stack_split(dim: int) -> None:
    same_as_cpu(lambda x, y: torch.cat([x, y], dim), values(3, 4), values(3, 4, seed=1))
    same_as_cpu(lambda x, y: torch.stack([x, y], dim), values(3, 4), values(3, 4, seed=1))
    same_as_cpu(lambda x: x.split(2, dim), values(4, 4))
    same_as_cpu(lambda x: x.chunk(3, dim), values(4, 4))


def test_indexing() -> None:
    rows, mask = torch.tensor([2, 0, 2]), values(4, 5, dtype=torch.bool)
    same_as_cpu(lambda x, i: x[i], values(4, 5), rows)
    same_as_cpu(lambda x, m: x[m], values(4, 5), mask)
    same_as_cpu(lambda x, i: x.index_select(1, i), values(4, 5), rows)
    same_as_cpu(lambda x, i: x.gather(0, i), values(4, 5), torch.zeros(2, 5, dtype=torch.int64))
    same_as_cpu(lambda x, i, s: x.scatter_add(0, i, s), values(4, 5), values(2, 5, dtype=torch.int64) % 4, values(2, 5))
    same_as_cpu(lambda x, m: x.masked_fill(m, 0), values(4, 5), mask)


def test_index_put_writes_in_place() -> None:
    x = torch.zeros(4, 3, device="flagos")
    x[torch.tensor([1, 3], device="flagos")] = torch.ones(3, device="flagos")
    assert x.cpu().tolist() == [[0, 0, 0], [1, 1, 1], [0, 0, 0], [1, 1, 1]]


def test_index_out_of_range_is_an_error() -> None:
    with pytest.raises(IndexError):
        values(4).to("flagos")[torch.tensor([7])]


def test_padding_flips_and_triangles() -> None:
    same_as_cpu(lambda x: torch.nn.functional.pad(x, (1, 2)), values(3, 4))
    same_as_cpu(lambda x: x.flip(0).roll(1, 1), values(3, 4))
    same_as_cpu(lambda x: (x.tril(), x.triu(1)), values(4, 4))
    same_as_cpu(lambda x: x.repeat(2, 3), values(2, 2))


@pytest.mark.parametrize(
    "make",
    [
        lambda device: torch.zeros(2, 3, device=device),
        lambda device: torch.ones(2, 3, dtype=torch.int8, device=device),
        lambda device: torch.full((2,), 3.5, device=device),
        lambda device: torch.arange(2, 11, 3, device=device),
        lambda device: torch.linspace(0, 1, 7, device=device),
        lambda device: torch.eye(4, device=device),
        lambda device: torch.tensor([[1, 2], [3, 4]], device=device),
        lambda device: torch.tril_indices(3, 3, device=device),
        lambda device: torch.scalar_tensor(2, device=device),
    ],
    ids=["zeros", "ones", "full", "arange", "linspace", "eye", "tensor", "tril_indices", "scalar_tensor"],
)
def test_creation(make: Callable[[str], torch.Tensor]) -> None:
    made = make("flagos")
    assert made.device.type == "flagos"
    torch.testing.assert_close(made.cpu(), make("cpu"))


@pytest.mark.parametrize("target", [torch.float64, torch.float16, torch.bfloat16, torch.int32, torch.bool], ids=str)
def test_copies_convert_dtypes(target: torch.dtype) -> None:
    source = values(3, 4)
    torch.testing.assert_close(source.to("flagos", target).cpu(), source.to(target))
    torch.testing.assert_close(source.to("flagos").to(target).cpu(), source.to(target))
    torch.testing.assert_close(source.to("flagos").to("cpu", target), source.to(target))


@pytest.mark.parametrize("view", [lambda x: x.t(), lambda x: x[:, ::2], lambda x: x[1:2].expand(5, 8), lambda x: x[:0]])
def test_copies_of_views_round_trip(view: Callable[[torch.Tensor], torch.Tensor]) -> None:
    source = values(6, 8)
    torch.testing.assert_close(view(source).to("flagos").cpu(), view(source))
    torch.testing.assert_close(view(source.to("flagos")).cpu(), view(source))


def test_channels_last_is_kept() -> None:
    image = values(2, 3, 4, 5).to(memory_format=torch.channels_last)
    moved = image.to("flagos")
    assert moved.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(moved.cpu(), image)


def test_host_values_reach_python() -> Any:
    x = torch.tensor([1.5, 2.5], device="flagos")
    assert x.tolist() == [1.5, 2.5]
    assert x[1].item() == 2.5
    assert bool((x > 1).all())
