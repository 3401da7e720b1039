"""The spread of a median, for measurements here and in benchmarks."""

from __future__ import annotations

import math
from collections.abc import Sequence


def interval_of_median(ordered: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the median of sorted values, by order statistics: no assumption on how they are distributed.

    The number of values below the median is binomial(n, 1/2); the interval leaves out at most 2.5 % on each side."""
    count, left_out = len(ordered), 0.0
    cut = 0
    while cut < count // 2:
        left_out += math.comb(count, cut) / 2**count
        if left_out > 0.025:
            break
        cut += 1
    cut = max(cut - 1, 0)
    return ordered[cut], ordered[-1 - cut]
