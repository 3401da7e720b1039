"""Times a call on the host: for Triton's autotuner, which asks here, and for Inductor's (inductor_tuning.py)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from flagos.route_tuning.interval import interval_of_median

_LEAST_RUNS = 9  # the fewest whose interval leaves out something at both ends


def timed_runs(call: Callable[[], object], limit_ms: float, *, certain: float | None = None) -> list[float]:
    """Milliseconds of each run, sorted: of one, and of more until `limit_ms` milliseconds are over.

    With `certain`, they end as soon as the upper end of their median's 95 % interval is at most that many times the
    lower one."""
    times: list[float] = []
    look = _LEAST_RUNS
    until = time.perf_counter() + limit_ms / 1e3
    while True:
        start = time.perf_counter()
        call()
        end = time.perf_counter()
        times.append((end - start) * 1e3)
        if end >= until:
            break
        if certain is not None and len(times) == look:
            low, high = interval_of_median(sorted(times))
            if high <= low * certain:
                break
            look += look // 2
    return sorted(times)


def benchmark(
    kernel_call: Callable[[], object],
    *,
    quantiles: Sequence[float] | None = None,
    warmup: float = 5,
    rep: float = 20,
    **_: object,
) -> list[float] | float:
    """Milliseconds of a call: the quantiles asked for, else the median, over about `rep` milliseconds of runs."""
    kernel_call()
    until = time.perf_counter() + warmup / 1e3
    while time.perf_counter() < until:
        kernel_call()
    times = timed_runs(kernel_call, rep)
    if quantiles is None:
        return statistics.median(times)
    return [times[min(int(share * len(times)), len(times) - 1)] for share in quantiles]


class Event:
    """A point in the host's time, with the methods of a device's event: all work is done when a launch returns."""

    def __init__(self, enable_timing: bool = False, **_: object) -> None:
        self._time = 0.0

    def record(self, stream: object = None) -> None:
        self._time = time.perf_counter()

    def elapsed_time(self, end: Event) -> float:
        """Milliseconds from this one to `end`."""
        return (end._time - self._time) * 1e3

    def synchronize(self) -> None:
        """Nothing is outstanding."""


class HostInterface:
    """What Triton's do_bench asks of a device module; `torch.cpu` has events, but none that take the time."""

    Event = Event

    @staticmethod
    def synchronize(device: object = None) -> None:
        """Nothing is outstanding."""

    @staticmethod
    def current_device() -> int:
        return 0
