"""Every operator that FlagGems registers, through its route, against the CPU: each dtype, results and gradients.

FLAGOS_ENTRIES=all runs every entry with more calls of each; otherwise a sample of them that changes with nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch
import torch_fl
from flagos.flaggems import package
from flagos.triton.native import launch_count
from torch_fl import routing

from tests.conformance.comparison import Comparison, Tolerance
from tests.flaggems import calls
from tests.flaggems.expectations import DIRECT, RANDOM, TOLERANCES, UNSERVED, WRONG

EVERY = os.environ.get("FLAGOS_ENTRIES") == "all"
CALLS = 4 if EVERY else 2
ENTRIES = package.find().entries if isinstance(package.find(), package.Package) else ()

pytestmark = pytest.mark.flaggems_python


@pytest.fixture(autouse=True, scope="module")
def flaggems_serves() -> Iterator[None]:
    before = torch.ops.flagos.routing_trace()
    with routing.override("*", "flagos_python, cpu"):
        torch.ops.flagos.routing_set_trace(before | routing._COUNT)
        yield
        torch.ops.flagos.routing_set_trace(before)


def cases() -> list[object]:
    chosen = ENTRIES if EVERY else ENTRIES[::6]
    return [
        pytest.param(entry, marks=[pytest.mark.xfail(strict=True, reason=WRONG[entry])] if entry in WRONG else [])
        for entry in chosen
        if entry not in DIRECT
    ]


@pytest.mark.parametrize("entry", cases())
def test_entry(entry: str) -> None:
    operator = calls.overload(entry)
    assert operator is not None, f"PyTorch has no {entry}"
    compare = Comparison(torch.device("flagos"), _tolerances(entry), values=entry not in RANDOM, strides=False)
    made, launched, failures = 0, 0, []
    for dtype in calls.DTYPES:
        unserved = UNSERVED.get(entry, ())
        for number, call in enumerate(calls.calls(entry, dtype, CALLS)):
            for gradient in (False, True):
                if gradient and (operator._schema.is_mutable or not dtype.is_floating_point):
                    continue
                try:
                    expected = calls.run(operator, call, "cpu", gradient)
                except (RuntimeError, NotImplementedError):
                    continue  # the CPU has no such kernel or gradient
                torch.ops.flagos.ledger_clear()
                before = launch_count()
                actual = calls.run(operator, call, "flagos", gradient)
                made, launched = made + 1, launched + launch_count() - before
                where = f"{dtype} call {number}{' with gradient' if gradient else ''}"
                if found := compare.difference(expected, actual, placed=True):
                    failures.append(f"{where}: {found}")
                declined = sum(row.declined for row in routing.report() if row.operator == entry)
                if declined and dtype not in unserved:
                    failures.append(f"{where}: declined: {_reasons(entry)}")
    assert failures == []
    assert made > 0, "no call was made: arguments.py lacks some"
    assert launched > 0, "no compiled kernel was launched"


def _tolerances(entry: str) -> dict[str, Tolerance]:
    return {name: Tolerance(*pair) for name, pair in {**TOLERANCES["*"], **TOLERANCES.get(entry, {})}.items()}


def _reasons(entry: str) -> list[str]:
    return [why for candidate in routing.explain(entry).candidates for why in candidate.refused]


def test_every_entry_is_spoken_of() -> None:
    assert set(DIRECT) | set(WRONG) | set(UNSERVED) | RANDOM <= set(ENTRIES)
    assert len(ENTRIES) == 433


def test_nothing_of_flaggems_is_lost() -> None:
    known = set(torch_fl.get_registered_ops())
    assert {entry for entry in ENTRIES if entry not in known} == {entry for entry in DIRECT if DIRECT[entry].unrouted}
