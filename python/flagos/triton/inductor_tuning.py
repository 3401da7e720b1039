"""How Inductor times the configurations of a kernel on the CPU, where it runs on our backend.

Inductor runs each of them for an eighth of a second, whatever it learns by that: with three configurations that takes
longer than to compile the function. Here the runs end as soon as the median is known as well as a choice needs it, and
at the latest after a fifth of that time, which is what our benchmarker gives Triton's own autotuner. It is registered
through Inductor's `register_benchmarker`, for the device `cpu`, when the first kernel is loaded while Inductor is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

from flagos.triton.benchmarker import timed_runs

_INDUCTOR = "torch._inductor.runtime.benchmarking"
_SHARE = 0.2  # of the time that Inductor gives
_CERTAIN = 1.03  # the upper end of the median's 95 % interval over its lower end


def median_time(benchmarker: object, call: Callable[[], object], *, warmup: float, rep: float, **_: object) -> float:
    """Milliseconds of a call: the median of runs in a fifth of `rep` milliseconds, after a fifth of `warmup`."""
    timed_runs(call, _SHARE * warmup, certain=_CERTAIN)
    times = timed_runs(call, _SHARE * rep, certain=_CERTAIN)
    return times[len(times) // 2]


def register() -> None:
    """Registers it with Inductor, once, where Inductor is loaded and has a registry; PyTorch 2.13 does."""
    if (loaded := sys.modules.get(_INDUCTOR)) is not None:
        _register(loaded)


@cache
def _register(benchmarking: Any) -> None:
    if hasattr(benchmarking, "register_benchmarker"):
        benchmarking.register_benchmarker("cpu", median_time, override=True)
