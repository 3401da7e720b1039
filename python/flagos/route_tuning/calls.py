"""Calls of one operator overload with arguments from PyTorch's database, the same ones at each run.

The database is part of PyTorch, in torch.testing, and wants the package expecttest: import this module only where calls
are made.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import OpInfo, SampleInput
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from flagos.route_tuning.arguments import MADE, SOURCES, Call, Maker

DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.bool)
#: Samples of a function that are run to find calls of the overload.
_SAMPLES = 40

_BY_NAME: dict[str, OpInfo] = {
    (f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name): op for op in reversed(op_db)
}


def overload(entry: str) -> torch._ops.OpOverload | None:
    """The operator of an entry; None where PyTorch has none of that name."""
    base, _, name = entry.partition(".")
    packet = getattr(torch.ops.aten, base, None)
    return getattr(packet, name or "default", None) if packet is not None else None


def source(entry: str) -> OpInfo | None:
    """The function of the database that leads to the overload."""
    if entry in SOURCES:
        return _BY_NAME[SOURCES[entry]]
    base = entry.split(".")[0]
    plain = base.strip("_")
    names = [form + name for name in (base, plain) for form in ("", "nn.functional.", "linalg.", "special.")]
    return next((_BY_NAME[name] for name in names if name in _BY_NAME), None)


class _TakeDown(TorchDispatchMode):
    """Keeps the calls of one overload, their arguments as they were before it ran."""

    def __init__(self, wanted: torch._ops.OpOverload) -> None:
        super().__init__()
        self.wanted = wanted
        self.calls: list[Call] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is self.wanted:
            self.calls.append(tree_map(_kept, (tuple(args), dict(kwargs))))
        return func(*args, **kwargs)


def _kept(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    copy = (
        torch.empty_strided(value.shape, value.stride(), dtype=value.dtype)
        if value.numel()
        else torch.empty_like(value)
    )
    return copy.copy_(value.detach())


def calls(entry: str, dtype: torch.dtype, most: int) -> list[Call]:
    """At most so many calls with operands of that dtype; none where the operator has none."""
    if entry in MADE:
        dtypes, make = MADE[entry]
        alike = torch.float32 if dtype == torch.float64 else dtype  # which has it has float64
        return make(Maker(dtype))[:most] if alike in dtypes else []
    op, wanted = source(entry), overload(entry)
    if op is None or wanted is None or dtype not in op.supported_dtypes("cpu"):
        return []
    found: list[Call] = []
    kinds: set[str] = set()
    for sample in itertools.islice(_samples(op, dtype), _SAMPLES):
        for call in _taken_down(op, sample, wanted, entry):
            kind = _kind(call)
            if _ordinary(call) and kind not in kinds and len(found) < most:
                kinds.add(kind)
                found.append(call)
    return found


def _samples(op: OpInfo, dtype: torch.dtype) -> Iterator[SampleInput]:
    torch.manual_seed(0)
    differentiable = op.supports_autograd and dtype in op.supported_backward_dtypes("cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from op.sample_inputs("cpu", dtype, requires_grad=differentiable)


def _taken_down(op: OpInfo, sample: SampleInput, wanted: torch._ops.OpOverload, entry: str) -> list[Call]:
    operand = sample.input.detach().clone() if isinstance(sample.input, torch.Tensor) else sample.input
    with _TakeDown(wanted) as mode, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if entry.split(".")[0].endswith("_") and op.inplace_variant and not sample.broadcasts_input:
                with torch.no_grad():
                    op.inplace_variant(operand, *sample.args, **sample.kwargs)
            elif "out" in entry.partition(".")[2] and op.supports_out:
                with torch.no_grad():
                    result = op(sample.input, *sample.args, **sample.kwargs)
                    op(sample.input, *sample.args, **sample.kwargs, out=tree_map(torch.empty_like, result))
            else:
                result = op(sample.input, *sample.args, **sample.kwargs)
                outputs = [
                    leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor) and leaf.requires_grad
                ]
                if outputs:
                    torch.autograd.backward(outputs, [torch.ones_like(output) for output in outputs])
        except (RuntimeError, NotImplementedError, TypeError, ValueError):
            pass  # the CPU refuses the sample; calls made before count
    return mode.calls


def _ordinary(call: Call) -> bool:
    """Whether there is something to compute: FlagGems leaves operands without elements or dimensions to others."""
    tensors = [leaf for leaf in tree_leaves(call) if isinstance(leaf, torch.Tensor)]
    return all(tensor.numel() > 0 for tensor in tensors) and (not tensors or tensors[0].dim() > 0)


def _kind(call: Call) -> str:
    """Calls of one kind differ in values alone."""
    return str(
        [
            (leaf.dtype, leaf.shape, leaf.stride()) if isinstance(leaf, torch.Tensor) else leaf
            for leaf in tree_leaves(call)
        ]
    )
