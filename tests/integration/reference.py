"""One call on the CPU and on flagos, compared: values, shape, dtype, and that the result lies on the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map


def values(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    """Numbers on the CPU that any operator takes: positive, away from 0, distinct."""
    generator = torch.Generator().manual_seed(seed)
    if dtype == torch.bool:
        return torch.rand(shape, generator=generator) > 0.5
    if not dtype.is_floating_point:
        return torch.randint(1, 20, shape, generator=generator).to(dtype)
    return (torch.rand(shape, generator=generator) + 0.1).to(dtype)


def same_as_cpu(function: Callable[..., Any], *operands: Any, **tolerance: float) -> Any:
    """Calls `function` with the operands on the CPU and on flagos; AssertionError where results differ.

    Returns the result of flagos."""
    expected = function(*operands)
    actual = function(*tree_map(lambda leaf: leaf.to("flagos") if isinstance(leaf, torch.Tensor) else leaf, operands))
    for left, right in zip(tree_leaves(expected), tree_leaves(actual), strict=True):
        if isinstance(left, torch.Tensor):
            assert right.device.type == "flagos", f"the result lies on {right.device}"
        torch.testing.assert_close(right, left, check_device=False, equal_nan=True, **tolerance)
    return actual
