"""From a kernel's source to a launch, in fresh processes: cold, and from the disk of an earlier one. With flag_gems
installed also its kernels, from their syntax trees to code that runs, over a spread of its operators.

The first kernel of a process is left out of the medians and told apart: it pays for loading LLVM's tables and Triton's
language. What a rival would be is a C++ compiler process for each kernel; here none is started.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from typing import Any

COLD_MS, DISK_MS = 60.0, 3.0


def run(rounds: int) -> list[dict[str, Any]]:
    """Medians over the kernels, each the median of `rounds` processes, in milliseconds."""
    figures = _both("a kernel", "compiling", rounds)
    if importlib.util.find_spec("flag_gems") is not None:
        figures += _both("a kernel of FlagGems", "flaggems_calls", rounds)
    return figures


def _both(what: str, module: str, rounds: int) -> list[dict[str, Any]]:
    cold, disk = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            cold.append(_kernels(module, folder))
            disk.append(_kernels(module, folder))
    return [_figure(f"compile {what}", cold, COLD_MS), _figure(f"load {what} from disk", disk, DISK_MS)]


def show(figure: dict[str, Any]) -> str:
    spread = f"median of {figure['kernels']} kernels, {figure['least_ms']:.2f} to {figure['most_ms']:.2f}"
    return (
        f"{figure['name']:34} {figure['median_ms']:7.2f} ms {spread}; first of a process {figure['first_ms']:.0f} ms"
        f"  <= {figure['limit']:g} ms  {'ok' if figure['within'] else 'OVER'}"
    )


def _figure(name: str, rounds: list[list[float]], limit: float) -> dict[str, Any]:
    each = [statistics.median(times) for times in zip(*rounds, strict=True)]
    first, *others = each
    return {
        "name": name,
        "kernels": len(others),
        "first_ms": first,
        "median_ms": statistics.median(others),
        "least_ms": min(others),
        "most_ms": max(others),
        "limit": limit,
        "within": statistics.median(others) <= limit,
    }


def _kernels(module: str, cache: str) -> list[float]:
    """Milliseconds of each kernel, in a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.{module}"]
    environment = {**os.environ, "TRITON_CACHE_DIR": cache, "FLAGOS_BACKEND_CONFIG": "backends_flagos_py.conf"}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    import time

    import torch
    import triton.language as tl

    from . import row_kernels as rows
    from . import triton_pointwise as pointwise
    from .launch_kernels import KERNELS
    from .product_kernels import mm_kernel

    x, y, out = torch.ones(1024), torch.ones(1024), torch.empty(1024)
    index = torch.empty(16, dtype=torch.int64)

    def product(dtype: torch.dtype) -> None:
        a, b, c = (torch.ones(64, 64, dtype=dtype) for _ in range(3))
        strides = (*a.stride(), *b.stride(), *c.stride())
        mm_kernel[(4,)](a, b, c, 64, 64, 64, *strides, BM=32, BN=32, BK=32, GROUP=8, SUM=tl.float32)

    calls = [
        lambda: KERNELS[1][(1,)](out),
        lambda: pointwise.binary_kernel[(1,)](x, y, out, 1000, WHICH="add", BLOCK=1024),
        *(
            lambda which=which: pointwise.unary_kernel[(1,)](x, out, 1000, WHICH=which, BLOCK=1024)
            for which in ("exp", "log", "sin", "erf", "silu", "gelu-erf")
        ),
        lambda: rows.softmax_kernel[(1,)](x, out, 1000, LOG=False, BLOCK=1024),
        lambda: rows.reduce_rows_kernel[(1,)](x, out, 1000, WHICH="sum", BLOCK=1024),
        lambda: rows.reduce_rows_kernel[(1,)](x, index, 1000, WHICH="argmax", BLOCK=1024),
        lambda: rows.cumsum_rows_kernel[(1,)](x, out, 1000, BLOCK=1024),
        *(lambda dtype=dtype: product(dtype) for dtype in (torch.float32, torch.bfloat16)),
    ]
    times = []
    for call in calls:
        started = time.perf_counter()
        call()
        times.append((time.perf_counter() - started) * 1e3)
    print(json.dumps(times))


if __name__ == "__main__":
    main()
