"""Triton kernels over rows and columns against PyTorch's operators, launched as compiled kernels: softmax, norms, cross
entropy, and the reductions and scans. Processes of their own, one for each number of threads.

    python -m benchmarks.triton_rows [--threads 1] [--pairs 15] [--only "sum 4096x1024"]

Both sides write to memory that is there: what PyTorch can only return is allocated from a heap that keeps its pages
(F.layer_norm; its `out` variant is slower). Where half of each row is masked, scores are -inf there (softmax,
log-softmax, cross entropy), or the block is twice the row (norms).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from .measure import Ratio, Work, geometric_mean, launch, ratio, seconds

if TYPE_CHECKING:
    from torch import Tensor

ROWS = 4096
LEAST_SPEED, NORMS_SPEED, REDUCTIONS_SPEED = 0.9, 1.4, 1.3  # PyTorch's time over ours: of a row, of all rows
THREADS = (1, 2)
NORMS = ("softmax", "log_softmax", "layer_norm", "rms_norm", "cross_entropy")
REDUCTIONS = ("sum", "max", "argmax", "cumsum")
STEADY_HEAP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(1 << 28)}


@dataclass(frozen=True)
class Case:
    name: str
    ours: Work
    rival: Callable[[], Tensor]
    result: Tensor  # of ours, once it has run
    tolerance: float


def run(pairs: int, only: str = "") -> Iterator[Ratio]:
    """The rows whose names hold `only`, held to a limit with one thread and told with two, and the means."""
    for threads in THREADS:
        rows = []
        for row in _measured(threads, pairs, only):
            rows.append(row)
            yield row
        for family, speed, names in (
            ("softmax, norms, cross entropy", NORMS_SPEED, NORMS),
            ("reductions and scans", REDUCTIONS_SPEED, REDUCTIONS),
        ):
            if members := [row for row in rows if row.name.split()[0] in names]:
                limit = 1 / speed if threads == 1 else math.inf
                yield geometric_mean(f"{family}, {threads} thread{'s' * (threads > 1)}", members, limit)


def _measured(threads: int, pairs: int, only: str) -> Iterator[Ratio]:
    command = [sys.executable, "-m", "benchmarks.triton_rows", "--json", f"--threads={threads}", f"--pairs={pairs}"]
    command.append(f"--only={only}")
    with subprocess.Popen(command, env=_environment(threads), stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            yield Ratio(**json.loads(line))
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)


def _environment(threads: int) -> dict[str, str]:
    return {**os.environ, **STEADY_HEAP, "FLAGOS_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}


def cases() -> Iterator[tuple[str, Callable[[], Case]]]:
    """Names, and what makes the case: the memory of one is gone before the next."""
    import torch

    for which in NORMS:
        for columns in (256, 1024, 4096):
            for dtype in (torch.float32, torch.bfloat16):
                for form in ("", " half masked", " looped") if columns == 4096 else ("", " half masked"):
                    name = f"{which} {ROWS}x{columns} {'fp32' if dtype == torch.float32 else 'bf16'}{form}"
                    yield name, partial(_norm, name, columns, dtype, form.strip())
    for which in REDUCTIONS:
        for axis in (0, 1, None):
            if which != "cumsum" or axis is not None:
                name = f"{which} {ROWS}x1024 {'all' if axis is None else f'axis {axis}'}"
                yield name, partial(_reduction, name, axis)


def _norm(name: str, columns: int, dtype: Any, form: str) -> Case:
    import torch
    import triton
    from torch.nn import functional

    from . import row_kernels as kernels

    which = name.split()[0]
    masked, looped = form == "half masked", form == "looped"
    norm = which.endswith("norm")
    block = 1024 if looped else triton.next_power_of_2(columns)
    if masked and norm:
        columns //= 2
    x = torch.randn(ROWS, columns)
    if masked and not norm:
        x[:, columns // 2 :] = -float("inf")
    x = x.to(dtype)
    out = torch.empty_like(x)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-2
    kernel = getattr(kernels, which.removeprefix("log_") + ("_looped" if looped else "") + "_kernel")
    if norm:
        w, b = torch.randn(columns, dtype=dtype), torch.randn(columns, dtype=dtype)
        if which == "layer_norm":
            rival = partial(functional.layer_norm, x, (columns,), w, b, 1e-5)
            return Case(name, launch(kernel, (ROWS,), x, w, b, out, columns, 1e-5, BLOCK=block), rival, out, tolerance)
        rival = partial(functional.rms_norm, x, (columns,), w, 1e-5)
        return Case(name, launch(kernel, (ROWS,), x, w, out, columns, 1e-5, BLOCK=block), rival, out, tolerance)
    if which == "cross_entropy":
        labels = torch.randint(0, columns // 2, (ROWS,))
        loss = torch.empty(ROWS, dtype=dtype)
        rival = partial(functional.cross_entropy, x, labels, reduction="none")
        return Case(name, launch(kernel, (ROWS,), x, labels, loss, columns, BLOCK=block), rival, loss, tolerance)
    log = which == "log_softmax"
    rival = partial(torch.log_softmax if log else torch.softmax, x, -1, out=torch.empty_like(x))
    return Case(name, launch(kernel, (ROWS,), x, out, columns, LOG=log, BLOCK=block), rival, out, tolerance)


def _reduction(name: str, axis: int | None) -> Case:
    import torch
    import triton

    from . import row_kernels as kernels

    which = name.split()[0]
    columns = 1024
    x = torch.randn(ROWS, columns)
    tolerance = 1e-3 if which in ("sum", "cumsum") else 0.0
    if which == "cumsum":
        out, want = torch.empty_like(x), torch.empty_like(x)
        rival = partial(torch.cumsum, x, axis, out=want)
        if axis == 1:
            ours = launch(kernels.cumsum_rows_kernel, (ROWS,), x, out, columns, BLOCK=1024)
        else:
            grid = (triton.cdiv(columns, 64),)
            ours = launch(kernels.cumsum_columns_kernel, grid, x, out, ROWS, columns, XBLOCK=64, RBLOCK=64)
        return Case(name, ours, rival, out, tolerance)
    operator = {"sum": torch.sum, "max": torch.amax, "argmax": torch.argmax}[which]
    dtype = torch.int64 if which == "argmax" else torch.float32
    shape = {0: (columns,), 1: (ROWS,), None: ()}[axis]
    out, want = torch.empty(shape, dtype=dtype), torch.empty(shape, dtype=dtype)
    rival = partial(operator, x) if axis is None else partial(operator, x, axis, out=want)
    if axis == 1:
        ours = launch(kernels.reduce_rows_kernel, (ROWS,), x, out, columns, WHICH=which, BLOCK=1024)
    elif axis == 0:
        grid = (triton.cdiv(columns, 64),)
        ours = launch(kernels.reduce_columns_kernel, grid, x, out, ROWS, columns, WHICH=which, XBLOCK=64, RBLOCK=8)
    else:
        block = 8192
        parts = triton.cdiv(x.numel(), block)
        middle, places = torch.empty(parts), torch.empty(parts, dtype=torch.int64)
        first = launch(kernels.reduce_part_kernel, (parts,), x, middle, places, x.numel(), WHICH=which, BLOCK=block)
        second = launch(
            kernels.reduce_parts_kernel, (1,), middle, places, out, parts, WHICH=which,
            BLOCK=triton.next_power_of_2(parts),
        )  # fmt: skip

        def ours() -> None:
            first()
            second()

    return Case(name, ours, rival, out, tolerance)


def _time(case: Case, pairs: int, limit: float) -> Ratio:
    import torch

    case.ours()
    torch.testing.assert_close(case.result, case.rival(), rtol=case.tolerance, atol=case.tolerance)
    calls = max(1, min(20, round(3e-3 / seconds(case.ours, 1))))
    return ratio(case.name, case.ours, case.rival, calls=calls, pairs=pairs, limit=limit, untimed=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--only", default="", help="the rows whose name holds this")
    options = parser.parse_args()
    environment = _environment(options.threads)  # is read when the process starts
    if any(os.environ.get(name) != value for name, value in environment.items()):
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.triton_rows", *sys.argv[1:]], environment)

    import torch
    import torch_fl  # noqa: F401  # kernels then run on PyTorch's threads, not beside them

    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    for name, make in cases():
        if options.only in name:
            row = _time(make(), options.pairs, 1 / LEAST_SPEED if options.threads == 1 else math.inf)
            print(json.dumps(asdict(row)) if options.json else row, flush=True)


if __name__ == "__main__":
    main()
