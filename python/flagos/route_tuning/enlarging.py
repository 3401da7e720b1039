"""A call over more elements: sizes grow together, values repeat.

Sizes of 4 and more are multiplied by one factor, wherever they stand: in shapes and in arguments that are sizes by the
operator's schema. Smaller ones stay, which are kernels, strides and batches, unless there are no others. So shapes that
fitted go on fitting (a row length that two operands share stays shared) with no knowledge of the operator. Whether they
do, the CPU says; where it refuses, the call stays as it was.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

from flagos.route_tuning.arguments import Call

#: Sizes that grow: from the first on, or where a call has none of them, from the second on.
_GROWING = (4, 2)
#: Grown sizes are multiples of it, as sizes of real programs are.
_STEP = 8
#: A call whose results have more elements than so many times what was asked is not enlarged.
_MOST_RESULTS = 16
#: What the CPU raises for a call that does not fit together.
REFUSALS = (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError)
_SIZE_ARGUMENT = re.compile(r"SymInt(?:\[\d*\])?\??\s+(\w+)")


def _shapes(call: Call) -> list[tuple[int, ...]]:
    """Of the operands, `out` left out; the sizes that are arguments where there is none."""
    operands = (call[0], {name: value for name, value in call[1].items() if name != "out"})
    shapes = [tuple(leaf.shape) for leaf in tree_leaves(operands) if isinstance(leaf, torch.Tensor)]
    if shapes:
        return shapes
    lists = [tuple(arg) for arg in call[0] if isinstance(arg, (list, tuple))]
    return lists or [(arg,) for arg in call[0] if type(arg) is int]


def elements(call: Call) -> int:
    """The number of elements of the largest operand; of the result where sizes are all that a call has."""
    return max((math.prod(shape) for shape in _shapes(call)), default=0)


def enlarge(operator: torch._ops.OpOverload, call: Call, asked: int) -> Call:
    """The call with about so many elements in its largest operand; the call itself where that cannot be."""
    shapes = _shapes(call)
    least = next((size for size in _GROWING if any(n >= size for shape in shapes for n in shape)), None)
    if least is None:
        return call
    largest = max(shapes, key=math.prod)
    growing = sum(size >= least for size in largest)
    factor = round((asked / math.prod(largest)) ** (1 / growing)) if growing and math.prod(largest) else 1
    if factor <= 1:
        return call
    for attempt in _attempts(operator, call, factor, least):
        if _fits(operator, attempt, asked):
            return attempt
    return call


def _attempts(operator: torch._ops.OpOverload, call: Call, factor: int, least: int) -> Iterator[Call]:
    """Whole numbers that are indices grow with what they index; whether they are, is found by trying."""

    def size(value: int) -> int:
        return -(-value * factor // _STEP) * _STEP if value >= least else value

    for indices_grow in (_has_indices(call), False):
        yield _map(operator, call, size, lambda t, grow=indices_grow: _grown(t, size, factor if grow else 1))
        if not indices_grow:
            return


def _has_indices(call: Call) -> bool:
    tensors = [leaf for leaf in tree_leaves(call) if isinstance(leaf, torch.Tensor)]
    whole = [not (t.is_floating_point() or t.is_complex() or t.dtype == torch.bool) for t in tensors]
    return any(whole) and not all(whole)


def _map(
    operator: torch._ops.OpOverload,
    call: Call,
    size: Callable[[int], int],
    tensor: Callable[[torch.Tensor], torch.Tensor],
) -> Call:
    counts = set(_SIZE_ARGUMENT.findall(str(operator._schema)))

    def changed(name: str, value: Any) -> Any:
        if name == "out":
            return torch.empty(0, dtype=value.dtype)  # the operator gives it its size
        value = tree_map(lambda leaf: tensor(leaf) if isinstance(leaf, torch.Tensor) else leaf, value)
        if name in counts:
            value = tree_map(lambda leaf: size(leaf) if type(leaf) is int else leaf, value)
        return value

    args = tuple(
        changed(argument.name, value) for argument, value in zip(operator._schema.arguments, call[0], strict=False)
    )
    return args, {name: changed(name, value) for name, value in call[1].items()}


def _grown(tensor: torch.Tensor, size: Callable[[int], int], factor: int) -> torch.Tensor:
    whole = not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)
    grown = tensor * factor if whole and factor > 1 else tensor
    for dim, old in enumerate(tensor.shape):
        new = size(old)
        if new > old:
            repeats = [1] * tensor.dim()
            repeats[dim] = -(-new // old)
            grown = grown.repeat(repeats).narrow(dim, 0, new)
    return grown.contiguous()


def _fits(operator: torch._ops.OpOverload, call: Call, asked: int) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            results = operator(*tree_map(_without_data, call[0]), **tree_map(_without_data, call[1]))
        except REFUSALS:
            results = ()  # what depends on values, or has no shape function
        large = [leaf for leaf in tree_leaves(results) if isinstance(leaf, torch.Tensor)]
        if any(leaf.numel() > _MOST_RESULTS * max(asked, elements(call)) for leaf in large):
            return False
        try:
            operator(*tree_map(_copied, call[0]), **tree_map(_copied, call[1]))
        except REFUSALS:
            return False
    return True


def _without_data(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to("meta")
    return torch.device("meta") if isinstance(value, torch.device) else value


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) else value
