"""Times a call on the host, as Triton's autotuner asks for it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence


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
    times: list[float] = []
    until = time.perf_counter() + rep / 1e3
    while not times or time.perf_counter() < until:
        start = time.perf_counter()
        kernel_call()
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
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
