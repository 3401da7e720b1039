"""The conf file that follows from measurements: each operator on the target that earns it, with figures as reason."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flagos.route_tuning.measuring import REFERENCE
from flagos.route_tuning.results import Result

#: How many times as fast as the reference a target must be to get an operator.
LEAST = 1.1


@dataclass(frozen=True)
class Decision:
    """Where an operator goes on a driver, and why."""

    operator: str
    driver: str
    chain: tuple[str, ...]
    reason: str
    worst: float  # the least ratio of the best target, over all cases and processors; 0 where it served none

    def __str__(self) -> str:
        return f"{self.operator} = {', '.join(self.chain)}  # {self.reason}"


def decide(results: Iterable[Result], least: float = LEAST) -> list[Decision]:
    """One decision an operator and driver, sorted. A target gets an operator only if, on each processor that was
    measured, it was at least `least` times as fast as the reference in every case, and right in each dtype that was
    compared: a route knows neither sizes nor dtypes."""
    groups: dict[tuple[str, str], list[Result]] = defaultdict(list)
    # The others repeat a smaller size, or found no difference.
    results = [result for result in results if result.timings or result.refused or result.wrong]
    for result in results:
        groups[result.driver, result.operator].append(result)
    every = {driver: {r.processor for r in results if r.driver == driver} for driver, _ in groups}
    return [
        _decision(operator, driver, group, every[driver], least) for (driver, operator), group in sorted(groups.items())
    ]


def settles(result: Result, driver: str, least: float) -> bool:
    """Whether this case alone keeps the operator on the reference: each target that serves it is too slow in it."""
    return result.driver == driver and bool(result.timings) and all(t.ratio < least for t in result.timings)


def _decision(operator: str, driver: str, group: list[Result], processors: set[str], least: float) -> Decision:
    missing = processors - {result.processor for result in group}
    targets = dict.fromkeys(t.target for result in group for t in result.timings)
    wrong = {target: why for result in group for target, why in result.wrong.items()}
    if not targets:
        whys = sorted({why for result in group for why in result.refused.values()}) or sorted(wrong.values())
        return Decision(operator, driver, (REFERENCE,), f"not served: {_comment(whys[0])}", 0.0)
    ratios = {target: [t.ratio for r in group for t in r.timings if t.target == target] for target in targets}
    best = max(ratios, key=lambda target: (target not in wrong, min(ratios[target])))
    worst = min(ratios[best])
    told = "; ".join(_figures(best, processor, group) for processor in sorted(processors - missing))
    refused = sum(best in result.refused for result in group)
    cases = sum(bool(result.timings or result.refused) for result in group)
    told += f"; {refused} of {cases} cases not served" if refused else ""
    told += f"; not measured on {', '.join(sorted(missing))}" if missing else ""
    told += f"; but differs: {_comment(wrong[best])}" if best in wrong else ""
    wins = worst >= least and not missing and best not in wrong
    return Decision(operator, driver, (best, REFERENCE) if wins else (REFERENCE,), told, worst)


def _figures(target: str, processor: str, group: list[Result]) -> str:
    ratios = [t.ratio for r in group if r.processor == processor for t in r.timings if t.target == target]
    if not ratios:
        return f"{target} serves none of it on {processor}"
    spread = f", {min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} cases" if len(ratios) > 1 else ""
    return f"{target} {statistics.geometric_mean(ratios):.2f} x as fast{spread}, {processor}"


def _comment(text: str) -> str:
    return " ".join(text.split())[:160]


def lines(decisions: Iterable[Decision], results: Iterable[Result], least: float) -> Iterator[str]:
    """The text of the file."""
    results = list(results)
    yield f"# Made by 'flagos routes tune': operators on the targets that were at least {least:g} times as fast as"
    yield f"# {REFERENCE} in every case measured, the others on {REFERENCE}. Figures: the geometric mean over the"
    yield "# cases, and the extremes. Measured with"
    for told in sorted({f"{r.packages}, {r.threads} threads, {r.processor}" for r in results}):
        yield f"#   {told}"
    driver = None
    for decision in decisions:
        if decision.driver != driver:
            driver = decision.driver
            yield f"\n[{driver}]"
        yield str(decision)
