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
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")

    from . import modules, operators, optimizers
    from .comparison import Comparison

    suites: dict[str, ModuleType] = {"operators": operators, "modules": modules, "optimizers": optimizers}
    comparison = Comparison(torch.device(expectations.device), expectations.tolerances)
    position = _position_writer(arguments.position)
    ledger = _Ledger() if expectations.ledger else None
    for line in sys.stdin:
        case = Case(**json.loads(line))
        started = time.monotonic()
        if ledger:
            ledger.start()
        outcome = suites[case.suite].run(case, comparison, expectations, position)
        if ledger:
            ledger.stop(outcome)
        outcome.seconds = round(time.monotonic() - started, 3)
        answers.write(json.dumps(outcome.to_json()) + "\n")
        answers.flush()


def _position_writer(path: str) -> Callable[[str], None]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)

    def write(position: str) -> None:
        os.pwrite(descriptor, position[:255].ljust(255).encode(errors="replace")[:255] + b"\n", 0)

    return write


class _Ledger:
    """What routing counted for one case. A kernel of the CPU that served a device must have copied its operands."""

    def __init__(self) -> None:
        from torch_fl import routing

        self._routing = routing
        routing.trace(count=True)

    def start(self) -> None:
        self._routing.report(clear=True)

    def stop(self, outcome: Outcome) -> None:
        for row in self._routing.report():
            if row.target != "cpu":
                continue
            outcome.kernels += row.calls
            outcome.copied_bytes += row.copied_bytes


if __name__ == "__main__":
    main()
