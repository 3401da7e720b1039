"""A worker process: reads cases as JSON lines from its standard input, answers each with the outcome as one line.

It may crash or hang in an operator; the parent (pool.py) then reads from the position file where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from types import ModuleType

from .case import Case, Outcome
from .expectations import Expectations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", required=True)
    parser.add_argument("--position", required=True, help="file that always holds the position of the call in progress")
    arguments = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an operator prints must not fall among the answers
    expectations = Expectations.of(arguments.mode)

    import torch

    if expectations.device != "cpu":
        # Before torch.testing._internal: its device tables are made at import.
        import torch_fl  # noqa: F401
    torch.ones(1, device=expectations.device)  # a device that is not there ends the run here, with its own sentence
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")

    from . import modules, operators, optimizers
    from .comparison import Comparison

    suites: dict[str, ModuleType] = {"operators": operators, "modules": modules, "optimizers": optimizers}
    comparison = Comparison(torch.device(expectations.device), expectations.tolerances)
    position = _position_writer(arguments.position)
    for line in sys.stdin:
        case = Case(**json.loads(line))
        started = time.monotonic()
        run = partial(suites[case.suite].run, case, comparison, expectations, position)
        outcome = _run_counted(run) if expectations.ledger else run()
        outcome.seconds = round(time.monotonic() - started, 3)
        answers.write(json.dumps(outcome.to_json()) + "\n")
        answers.flush()


def _position_writer(path: str) -> Callable[[str], None]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)

    def write(position: str) -> None:
        os.pwrite(descriptor, position[:255].ljust(255).encode(errors="replace")[:255] + b"\n", 0)

    return write


def _run_counted(run: Callable[[], Outcome]) -> Outcome:
    """With the ledger: a kernel of the CPU that served a device whose memory it cannot read must have copied bytes."""
    from torch_fl import routing

    with routing.trace() as ledger:
        outcome = run()
    served = [entry for entry in ledger.report() if entry.target == "cpu" and entry.calls > entry.declined]
    outcome.kernels = sum(entry.calls for entry in served)
    outcome.copied_bytes = sum(entry.copied_bytes for entry in served)
    if served and not outcome.copied_bytes:
        outcome.uncounted = sorted(entry.operator for entry in served)
    return outcome


if __name__ == "__main__":
    main()
