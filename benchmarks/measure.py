"""Two ways to do one thing, timed in turn, and the ratio of their times with its spread.

The ratio of a pair that ran within milliseconds of each other outlives the noise of a shared machine; an absolute time
does not. Who goes first alternates, so that neither always finds the caches of the other.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from flagos.route_tuning.interval import interval_of_median

Work = Callable[[], Any]


@dataclass(frozen=True)
class Ratio:
    """Time of ours over time of the rival: the median over the pairs, and the 95 % interval of that median."""

    name: str
    rival: str
    pairs: int
    median: float
    low: float
    high: float
    ours_us: float  # medians, microseconds a call
    rival_us: float
    limit: float  # what the ratio may be; infinite where it is only told
    judged: str  # "median" or "high"

    @property
    def within(self) -> bool:
        return getattr(self, self.judged) <= self.limit

    def to_json(self) -> dict[str, Any]:
        limit = None if math.isinf(self.limit) else self.limit
        return {**asdict(self), "limit": limit, "within": self.within}

    def __str__(self) -> str:
        spread = f"[{self.low:.3f}, {self.high:.3f}]"
        bound = "" if math.isinf(self.limit) else f"<= {self.limit:.3g}" + (" (upper end)" * (self.judged == "high"))
        return (
            f"{self.name:34} {self.median:7.3f}  {spread:18} {self.ours_us:12.2f} {self.rival_us:12.2f}  "
            f"{bound:20} {'ok' if self.within else 'OVER'}"
        )


TITLE = f"{'':34} {'ratio':>7}  {'95 % interval':18} {'ours, us':>12} {'rival, us':>12}  {'may be':20}"


def ratio(
    name: str,
    ours: Work,
    rival: Work,
    *,
    calls: int,
    pairs: int,
    limit: float,
    judged: str = "median",
    against: str = "cpu",
    untimed: int = 0,
) -> Ratio:
    """Times `calls` calls of each, `pairs` times in turn, after one round that warms caches and pools.

    limit: the ratio that is promised; `judged` names the figure that is held to it. untimed: calls before each of the
    timed ones, where each side would find its output evicted by the other's."""
    seconds(ours, calls)
    seconds(rival, calls)
    timed = []
    for pair in range(pairs):
        if pair % 2:
            second = seconds(rival, calls, untimed)
            timed.append((seconds(ours, calls, untimed), second))
        else:
            first = seconds(ours, calls, untimed)
            timed.append((first, seconds(rival, calls, untimed)))
    ratios = sorted(mine / theirs for mine, theirs in timed)
    low, high = interval_of_median(ratios)
    ours_us, rival_us = (statistics.median(column) / calls * 1e6 for column in zip(*timed, strict=True))
    return Ratio(name, against, pairs, statistics.median(ratios), low, high, ours_us, rival_us, limit, judged)


def geometric_mean(name: str, rows: Sequence[Ratio], limit: float) -> Ratio:
    """The geometric mean of the rows' medians, low and high ends alike."""

    def mean(values: Iterable[float]) -> float:
        return math.exp(statistics.fmean(map(math.log, values)))

    return Ratio(
        name,
        rows[0].rival,
        rows[0].pairs,
        mean(row.median for row in rows),
        mean(row.low for row in rows),
        mean(row.high for row in rows),
        mean(row.ours_us for row in rows),
        mean(row.rival_us for row in rows),
        limit,
        "median",
    )


def launch(kernel: Any, grid: tuple[int, ...], *operands: object, **constants: object) -> Work:
    """A call that launches the kernel, compiled for these operands."""
    compiled = kernel[grid](*operands, **constants)
    return partial(compiled[(*grid, 1, 1)[:3]], *operands, *constants.values())


def seconds(work: Work, calls: int, untimed: int = 0) -> float:
    """Seconds of so many calls in all, after the untimed ones."""
    for _ in range(untimed):
        work()
    started = time.perf_counter()
    for _ in range(calls):
        work()
    return time.perf_counter() - started


def processor() -> str:
    """The processor's name and the number of its cores that this process may use."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "unknown processor")
    return f"{name}, {len(os.sched_getaffinity(0))} cores"
