"""What is added to pytest in a run of FlagGems' own tests: the routes in FlagGems' place, and a record of each case.

`flag_gems.use_gems()` registers FlagGems' functions for the device, over the routed kernels. Here it puts the conf file
of FLAGOS_BACKEND_CONFIG in force, so that what is tested is the path that users take. Outside of it, where tests make
their operands and references, PyTorch's CPU kernels serve, as the device's own kernels do in FlagGems' runs.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import records  # beside this file: the runner puts its folder on the path
import torch
import torch_fl
from flagos.triton.native import launch_count

TARGETS = torch_fl.integration.FLAGGEMS_TARGETS
FOLDER = Path(os.environ["FLAGGEMS_RECORDS"])


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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With FLAGGEMS_SAMPLE=n only n cases of each test function, evenly spread; and only what has no record yet."""
    most = int(os.environ.get("FLAGGEMS_SAMPLE", "0"))
    if most > 0:
        functions: dict[str, list[pytest.Item]] = {}
        for item in items:
            functions.setdefault(item.nodeid.split("[")[0], []).append(item)
        items[:] = [item for cases in functions.values() for item in cases[:: max(1, -(-len(cases) // most))]]
    ended: dict[str, dict[str, records.Record]] = {}
    for file in sorted({_file(item) for item in items}):
        ended[file] = records.read(FOLDER, file)
        records.add(FOLDER, file, at=f"{os.environ['FLAGGEMS_REVISION']} on {_processor()}")
    items[:] = [item for item in items if item.nodeid not in ended[_file(item)]]


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed and report.nodeid:
        records.add_failure(FOLDER, report.nodeid.removeprefix("tests/"), report.longreprtext[-2000:])


#: Bytes that the device may keep from one case to the next.
_KEPT = 1 << 30
_BEFORE = pytest.StashKey[int]()


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """A case that takes longer than the limit ends the process, and its stack is told."""
    records.add(FOLDER, _file(item), begun=item.nodeid)
    faulthandler.dump_traceback_later(float(os.environ["FLAGGEMS_LIMIT"]), exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()
    if torch.flagos.memory_reserved() > _KEPT:  # other processes test beside this one
        torch.flagos.empty_cache()


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()
    if report.when == "setup":
        torch.ops.flagos.ledger_clear()
        item.stash[_BEFORE] = launch_count()
    if report.when != "call" and report.outcome == "passed":
        return
    error, where = "", []
    if call.excinfo is not None:
        error = f"{type(call.excinfo.value).__name__}: {call.excinfo.value}"[:2000]
        where = [f"{Path(str(entry.path)).name}:{entry.lineno + 1}" for entry in call.excinfo.traceback[-6:]]
    records.add(
        FOLDER,
        _file(item),
        case=item.nodeid,
        outcome=report.outcome if report.when == "call" or report.outcome == "skipped" else "failed",
        launches=launch_count() - item.stash[_BEFORE] if report.when == "call" else 0,
        reached=sorted({row.operator for row in torch_fl.routing.report() if row.target in TARGETS}),
        error=error,
        where=where,
        seconds=round(call.duration, 3),
    )


def _file(item: pytest.Item) -> str:
    return item.nodeid.split("::")[0].removeprefix("tests/")


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown processor")
