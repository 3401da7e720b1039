"""Whether a target computes what the reference computes: a route that is faster and wrong is none.

A route holds for all dtypes, so several are compared, float64 among them: kernels that compute in float32 show there.
Operands are those of PyTorch's database, and again a thousand times as large, where kernels that cancel show:
log(x + sqrt(x * x + 1)) is no inverse hyperbolic sine of -4096 any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils._pytree import tree_leaves, tree_map
from torch_fl import routing

from flagos.route_tuning.arguments import Call
from flagos.route_tuning.measuring import FAILURES, REFERENCE, placed

#: Of the largest element of a result: what may be lost to another order of additions, and little more.
TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}
#: Dtypes with room for larger operands in what is added up.
_ENLARGED = (torch.float64, torch.float32)
_TIMES = 1000


def differences(
    operator: torch._ops.OpOverload, calls: Sequence[Call], targets: Sequence[str], device: str = "flagos"
) -> dict[str, str]:
    """Of each target whose results differ, how. One that does not serve a call is not blamed."""
    found: dict[str, str] = {}
    for call in (form for each in calls for form in _forms(each)):
        expected = _results(operator, call, REFERENCE, device)
        if expected is None:
            continue
        for target in targets:
            actual = _results(operator, call, target, device) if target not in found else None
            if actual is not None and (told := _difference(actual, expected)):
                found[target] = told
    return found


def _forms(call: Call) -> Iterator[Call]:
    yield call
    if any(isinstance(leaf, torch.Tensor) and leaf.dtype in _ENLARGED for leaf in tree_leaves(call)):
        yield tree_map(_enlarged, call)


def _enlarged(value: object) -> object:
    return value * _TIMES if isinstance(value, torch.Tensor) and value.dtype in _ENLARGED else value


def _results(operator: torch._ops.OpOverload, call: Call, target: str, device: str) -> list[torch.Tensor] | None:
    """What the call returns and has written, on the CPU; None where it is not served."""
    args, kwargs = tree_map(lambda value: placed(value, device, own=True), call)
    with routing.override(operator, target):
        try:
            returned = operator(*args, **kwargs)
        except FAILURES:
            return None
    written = (args, kwargs) if operator._schema.is_mutable else ()
    return [leaf.cpu() for leaf in tree_leaves((returned, written)) if isinstance(leaf, torch.Tensor)]


def _difference(actual: list[torch.Tensor], expected: list[torch.Tensor]) -> str:
    """One line; "" where they agree."""
    for ours, theirs in zip(actual, expected, strict=True):
        tolerance = TOLERANCES.get(theirs.dtype, 0.0)
        finite = theirs[theirs.isfinite()].abs() if theirs.is_floating_point() else theirs[:0]
        allowed = tolerance * float(finite.max()) if finite.numel() else 0.0
        try:
            torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=allowed, equal_nan=True)
        except AssertionError as error:
            lines = str(error).splitlines()
            line = next((line for line in lines if line.startswith("Greatest absolute difference")), lines[0])
            return f"{str(theirs.dtype).removeprefix('torch.')}: {line}"
    return ""
