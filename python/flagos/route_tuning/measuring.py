"""One call on each target in turn, timed.

Targets alternate within a process, so that what else the machine does falls on all of them; what counts is the ratio of
neighbours. A call that writes its operands gets them back before each time it is timed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map
from torch_fl import integration, routing

from flagos.route_tuning.arguments import Call
from flagos.route_tuning.interval import interval_of_median

#: What all targets are compared with.
REFERENCE = "cpu"
#: What a target raises that does not serve a call; of a function of FlagGems, whatever Python raises in it.
FAILURES = (RuntimeError, *integration.REFUSALS)
#: Seconds that one round on one target takes at least: many calls of a short operator, one of a long one.
_ROUND = 0.002
_MOST_CALLS = 500


@dataclass(frozen=True)
class Timing:
    """A target beside the reference."""

    target: str
    microseconds: float  # median of a call
    ratio: float  # how many times as fast as the reference: the median over the rounds
    low: float  # the 95 % interval of that median
    high: float


def prepared(operator: torch._ops.OpOverload, call: Call, device: str) -> Callable[[], float]:
    """Makes the call on the device once and returns the seconds that it took, the operands' repair not counted."""
    args, kwargs = tree_map(lambda value: placed(value, device), call)
    if not operator._schema.is_mutable:

        def plain() -> float:
            started = time.perf_counter()
            operator(*args, **kwargs)
            return time.perf_counter() - started

        return plain
    operands = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor) and leaf.numel()]
    kept = [operand.clone() for operand in operands]

    def repaired() -> float:
        for operand, before in zip(operands, kept, strict=True):
            operand.copy_(before)
        started = time.perf_counter()
        operator(*args, **kwargs)
        return time.perf_counter() - started

    return repaired


def placed(value: Any, device: str, own: bool = False) -> Any:
    """An argument as a call on the device has it; tensors as copies in any case if `own`."""
    if isinstance(value, torch.Tensor):
        return value.to(device, copy=own)
    return torch.device(device) if isinstance(value, torch.device) else value


def measure(
    operator: torch._ops.OpOverload, call: Call, targets: Sequence[str], *, rounds: int, device: str = "flagos"
) -> tuple[list[Timing], dict[str, str]]:
    """Times the call on each target and on the reference; and, of targets that do not serve it, why.

    The first call on each is not counted: it compiles. `rounds` = 0 makes that one alone."""
    name = routing.operator_name(operator)
    timed = prepared(operator, call, device)
    refused: dict[str, str] = {}
    calls: dict[str, int] = {}
    for target in (*targets, REFERENCE):
        with routing.override(operator, target):
            try:
                timed()
                once = timed()
            except FAILURES as error:
                refused[target] = _reason(target, error)
                continue
        calls[target] = max(1, min(_MOST_CALLS, int(_ROUND / max(once, 1e-9))))
    if REFERENCE in refused:
        raise NotImplementedError(f"{name}: {refused[REFERENCE]}")
    seconds: dict[str, list[float]] = {target: [] for target in calls}
    for turn in range(rounds):
        order = list(calls) if turn % 2 == 0 else list(reversed(calls))
        for target in order:
            with routing.override(operator, target):
                timed()
                seconds[target].append(statistics.fmean(timed() for _ in range(calls[target])))
    return [_timing(target, seconds) for target in calls if target != REFERENCE and rounds], refused


def _reason(target: str, error: Exception) -> str:
    """One line. A call that the target declined ends in an error of the route, which has the target's own words."""
    lines = [line.strip() for line in str(error).splitlines()]
    declined = next((line.removeprefix(f"{target}: ") for line in lines if line.startswith(f"{target}: ")), None)
    return (declined or f"{type(error).__name__}: {lines[0] if lines else ''}")[:300]


def _timing(target: str, seconds: dict[str, list[float]]) -> Timing:
    ratios = sorted(theirs / ours for ours, theirs in zip(seconds[target], seconds[REFERENCE], strict=True))
    low, high = interval_of_median(ratios)
    return Timing(target, statistics.median(seconds[target]) * 1e6, statistics.median(ratios), low, high)
