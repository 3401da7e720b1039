"""One entry of FlagGems through its route against the CPU: what came out wrong, in sentences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from flagos.route_tuning import calls
from flagos.triton.native import launch_count
from torch.utils._pytree import tree_map
from torch_fl import routing

from tests.conformance.comparison import Comparison, Tolerance
from tests.flaggems import running
from tests.flaggems.expectations import RANDOM, TOLERANCES, UNSERVED, WITHOUT_GAPS

_NARROW = (torch.float16, torch.bfloat16)


@dataclass
class Outcome:
    """Of all calls of one entry."""

    calls: int = 0
    declined: int = 0
    launches: int = 0  # of compiled kernels
    failures: list[str] = field(default_factory=list)


def check(entry: str, most: int) -> Outcome:
    """Runs at most so many calls a dtype, each with and without gradient, and one over operands with gaps."""
    operator = calls.overload(entry)
    outcome = Outcome()
    if operator is None:
        outcome.failures.append("PyTorch has no such operator")
        return outcome
    for dtype in calls.DTYPES:
        made = calls.calls(entry, dtype, most)
        variants = [(f"call {number}", call) for number, call in enumerate(made)]
        if made and entry not in WITHOUT_GAPS:
            variants.append(("call 0 with gaps", running.strided(made[0])))
        before, declined = outcome.calls, outcome.declined
        for name, call in variants:
            for gradient in (False, True):
                if gradient and (operator._schema.is_mutable or not dtype.is_floating_point):
                    continue
                where = f"{dtype} {name}{', gradient' if gradient else ''}"
                _one(outcome, entry, operator, call, gradient, dtype, where)
        # FlagGems need not serve every kind of call, but some of each dtype.
        all_declined = outcome.calls > before and outcome.calls - before == outcome.declined - declined
        if all_declined and str(dtype).removeprefix("torch.") not in UNSERVED.get(entry, ()):
            outcome.failures.append(f"{dtype}: every call was declined: {_reasons(entry)}")
    return outcome


def _one(
    outcome: Outcome,
    entry: str,
    operator: torch._ops.OpOverload,
    call: calls.Call,
    gradient: bool,
    dtype: torch.dtype,
    where: str,
) -> None:
    try:
        expected = running.run(operator, call, "cpu", gradient)
    except (RuntimeError, NotImplementedError):
        return  # the CPU has no such kernel or gradient
    torch.ops.flagos.ledger_clear()
    before = launch_count()
    try:
        actual = running.run(operator, call, "flagos", gradient)
        found = _difference(entry, operator, call, gradient, dtype, expected, actual)
    except Exception as error:  # whatever the CPU did not raise is the finding
        found = f"{type(error).__name__}: {error}"[:400]
    outcome.calls += 1
    outcome.launches += launch_count() - before
    if found:
        outcome.failures.append(f"{where}: {found}")
    outcome.declined += any(row.operator == entry and row.declined for row in routing.report())


def _difference(
    entry: str,
    operator: torch._ops.OpOverload,
    call: calls.Call,
    gradient: bool,
    dtype: torch.dtype,
    expected: Any,
    actual: Any,
) -> str | None:
    comparison = Comparison(torch.device("flagos"), tolerances(entry), values=entry not in RANDOM, strides=False)
    found = comparison.difference(expected, actual, placed=True)
    if found is None or dtype not in _NARROW:
        return found
    try:
        wide = running.run(operator, tree_map(_widened, call), "cpu", gradient)
    except (RuntimeError, NotImplementedError):
        return found
    return comparison.difference(tree_map(_like, wide, actual), actual, placed=True) and found


def _widened(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) and value.dtype in _NARROW else value


def _like(expected: Any, actual: Any) -> Any:
    both = isinstance(expected, torch.Tensor) and isinstance(actual, torch.Tensor)
    return expected.to(actual.dtype) if both else expected


def tolerances(entry: str) -> dict[str, Tolerance]:
    return {name: Tolerance(*pair) for name, pair in {**TOLERANCES["*"], **TOLERANCES.get(entry, {})}.items()}


def _reasons(entry: str) -> str:
    return "; ".join(why for candidate in routing.explain(entry).candidates for why in candidate.refused)
