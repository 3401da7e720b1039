"""Running a call of an operator on a device, as it is or over operands with gaps."""

from __future__ import annotations

from typing import Any

import torch
from flagos.route_tuning.arguments import Call
from torch.utils._pytree import tree_leaves, tree_map

from tests.conformance.placement import Placement


def strided(call: Call) -> Call:
    """The same call over operands that are not contiguous: every second element of a wider tensor."""

    def spread(value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or value.dim() == 0:
            return value
        wider = torch.empty((*value.shape, 2), dtype=value.dtype)
        wider[..., 0] = value
        wider[..., 1] = 1
        return wider[..., 0]

    return tree_map(spread, call)


def run(op: torch._ops.OpOverload, call: Call, device: str, gradient: bool) -> Any:
    """The result of a call, its tensors afterwards, and gradients if asked; the call's own tensors stay as they are."""
    place = Placement(device)
    args, kwargs = place(call[0]), place(call[1])
    leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    wanting = [leaf.requires_grad_() for leaf in leaves if leaf.is_floating_point()] if gradient else []
    torch.manual_seed(0)
    result = op(*args, **kwargs)
    outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    gradients: Any = None
    if wanting and outputs:
        ones = [torch.ones_like(output) for output in outputs]
        gradients = torch.autograd.grad(outputs, wanting, ones, allow_unused=True)
    return tree_map(_detached, (result, leaves if op._schema.is_mutable else None, gradients))


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, torch.Tensor) else value
