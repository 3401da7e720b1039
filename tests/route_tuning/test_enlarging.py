"""Calls over more elements: what grows, what stays, and what cannot."""

from __future__ import annotations

import torch
from flagos.route_tuning.enlarging import elements, enlarge

aten = torch.ops.aten


def shapes(call) -> list[tuple[int, ...]]:
    return [tuple(arg.shape) for arg in call[0] if isinstance(arg, torch.Tensor)]


def test_a_size_that_operands_share_stays_shared() -> None:
    larger = enlarge(aten.mm.default, ((torch.rand(5, 10), torch.rand(10, 7)), {}), 4000)
    (m, k), (same, n) = shapes(larger)
    assert k == same
    assert m != n
    assert 2000 < elements(larger) < 8000
    assert m % 8 == k % 8 == n % 8 == 0


def test_broadcast_dimensions_stay() -> None:
    larger = enlarge(aten.add.Tensor, ((torch.rand(4, 1, 33), torch.rand(3, 33)), {}), 100_000)
    (rows, one, columns), (three, same) = shapes(larger)
    assert (one, three) == (1, 3)
    assert columns == same > 33
    assert rows > 4


def test_sizes_grow_and_numbers_of_dimensions_do_not() -> None:
    x = torch.rand(2, 3, 6, 5, 7)
    larger = enlarge(aten._softmax.default, ((x, 4, False), {}), 100_000)
    assert larger[0][1:] == (4, False)
    assert shapes(larger)[0][:2] == (2, 3)
    larger = enlarge(aten.native_layer_norm.default, ((torch.rand(6, 9), [9], None, None, 1e-5), {}), 10_000)
    assert list(shapes(larger)[0][1:]) == larger[0][1]


def test_indices_reach_into_the_part_that_was_added() -> None:
    index = torch.tensor([[0, 5], [36, 1]])
    larger = enlarge(aten.gather.default, ((torch.rand(5, 37), 1, index), {}), 50_000)
    x, _, found = larger[0]
    assert 37 < found.max() < x.shape[1]


def test_values_repeat() -> None:
    x = torch.tensor([-0.5, 0.25, 0.5, 0.75, 1.0])
    larger = enlarge(aten.arctanh.default, ((x,), {}), 1000)
    assert set(larger[0][0].tolist()) == set(x.tolist())


def test_an_output_is_sized_by_the_operator() -> None:
    x = torch.rand(5, 37)
    larger = enlarge(aten.exp.out, ((x,), {"out": torch.empty(5, 37)}), 5000)
    assert larger[1]["out"].numel() == 0
    assert aten.exp.out(*larger[0], **larger[1]).shape == larger[0][0].shape


def test_what_does_not_fit_when_it_grows_stays() -> None:
    # The number of the offset stays, and the diagonal that is asked for has another length then.
    call = ((torch.rand(4), [7, 5], 0, 0, 1), {})
    assert enlarge(aten.diagonal_backward.default, call, 10_000) is call


def test_what_would_take_all_memory_stays() -> None:
    call = ((torch.rand(3, 4), torch.rand(2, 5)), {})
    assert enlarge(aten.kron.default, call, 1 << 22) is call


def test_sizes_alone() -> None:
    larger = enlarge(aten.zeros.default, (([5, 37],), {"dtype": torch.float32}), 100_000)
    assert 50_000 < elements(larger) < 200_000
    assert larger[1] == {"dtype": torch.float32}
