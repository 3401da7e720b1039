"""What is added to pytest in a run of FlagGems' own tests: the routes in FlagGems' place, and a record of each case.

`flag_gems.use_gems()` registers FlagGems' functions for the device, over the routed kernels. Here it puts the conf file
of FLAGOS_BACKEND_CONFIG in force, so that what is tested is the path that users take. Outside of it, where tests make
their operands and references, PyTorch's CPU kernels serve, as the device's own kernels do in FlagGems' runs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import torch
import torch_fl
from flagos.triton.native import launch_count

TARGETS = torch_fl.integration.FLAGGEMS_TARGETS


class Routed:
    """Stands for flag_gems.use_gems."""

    of_flaggems: Any = None
    outside: torch_fl.routing.override | None = None

    def __new__(cls, *asked: Any, **named: Any) -> Any:
        # A test that asks for some operators alone, or for FlagGems' log, is about FlagGems' own registration.
        return Routed.of_flaggems(*asked, **named) if asked or named else super().__new__(cls)

    def __enter__(self) -> None:
        assert Routed.outside is not None, "use_gems() is not entered twice"
        Routed.outside.remove()
        Routed.outside = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        Routed.leave()

    @staticmethod
    def leave() -> None:
        Routed.outside = torch_fl.routing.override("*", "cpu")


def pytest_configure() -> None:
    import flag_gems

    Routed.of_flaggems = flag_gems.use_gems
    Routed.leave()
    flag_gems.use_gems = Routed


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With FLAGGEMS_SAMPLE=n only n cases of each test function, evenly spread."""
    most = int(os.environ.get("FLAGGEMS_SAMPLE", "0"))
    if most < 1:
        return
    functions: dict[str, list[pytest.Item]] = {}
    for item in items:
        functions.setdefault(item.nodeid.split("[")[0], []).append(item)
    kept = []
    for cases in functions.values():
        step = max(1, -(-len(cases) // most))
        kept += cases[::step]
    items[:] = kept


_BEFORE = pytest.StashKey[int]()


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()
    if report.when == "setup":
        torch.ops.flagos.ledger_clear()
        item.stash[_BEFORE] = launch_count()
    if report.when != "call" and report.outcome == "passed":
        return
    error = ""
    if call.excinfo is not None:
        error = f"{type(call.excinfo.value).__name__}: {call.excinfo.value}"[:2000]
    record = {
        "case": item.nodeid,
        "outcome": report.outcome if report.when == "call" or report.outcome == "skipped" else "failed",
        "launches": launch_count() - item.stash[_BEFORE] if report.when == "call" else 0,
        "reached": sorted({row.operator for row in torch_fl.routing.report() if row.target in TARGETS}),
        "error": error,
        "where": [f"{Path(str(entry.path)).name}:{entry.lineno + 1}" for entry in call.excinfo.traceback[-6:]]
        if call.excinfo is not None
        else [],
        "seconds": round(call.duration, 3),
    }
    with Path(os.environ["FLAGGEMS_RECORDS"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
