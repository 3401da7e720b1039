"""What our launcher adds to a launch of a Triton kernel: `kernel[grid](...)` on a hit, against the same call with a
launcher that does nothing, in turns in one process. The kernel is one program that stores one number, so what is left
is packing the arguments, the runtime's launch and the call of the kernel's code.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from flagos.route_tuning.interval import interval_of_median

FIXED_US, TENSOR_US = 0.15, 0.1  # what a launch and each tensor of it may add
CALLS = 2000


def run(pairs: int) -> Iterator[dict[str, Any]]:
    """One figure for each number of tensors: the added microseconds, the interval of their median, and the bound."""
    for tensors in (1, 2, 4, 8):
        compiled, call = _launch_of(tensors)
        launcher = compiled.run
        added = []
        totals = []
        for pair in range(pairs + 1):
            order = (launcher, _nothing) if pair % 2 else (_nothing, launcher)
            taken = {}
            for which in order:
                compiled._run = which
                taken[which] = _microseconds(call)
            if pair:  # the first warms up
                added.append(taken[launcher] - taken[_nothing])
                totals.append(taken[launcher])
        compiled._run = launcher
        added.sort()
        low, high = interval_of_median(added)
        bound = FIXED_US + TENSOR_US * tensors
        yield {
            "name": f"launch with {tensors} tensors",
            "added_us": statistics.median(added),
            "low": low,
            "high": high,
            "in_all_us": statistics.median(totals),
            "limit": bound,
            "within": statistics.median(added) <= bound,
        }


def show(figure: dict[str, Any]) -> str:
    return (
        f"{figure['name']:34} adds {figure['added_us']:.3f} us [{figure['low']:.3f}, {figure['high']:.3f}] to a no-op "
        f"launcher, in all {figure['in_all_us']:.2f} us  <= {figure['limit']:.2f}  "
        f"{'ok' if figure['within'] else 'OVER'}"
    )


def _nothing(*_: object) -> None:
    """A launcher that does nothing."""


def _microseconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - started) / CALLS * 1e6


def _launch_of(tensors: int) -> tuple[Any, Callable[[], object]]:
    """A compiled kernel of so many tensors, and a call that launches one program of it."""
    import torch

    from .launch_kernels import KERNELS

    kernel = KERNELS[tensors]
    operands = [torch.zeros(16) for _ in range(tensors)]
    bound = kernel[(1,)]
    compiled = bound(*operands)
    return compiled, lambda: bound(*operands)
