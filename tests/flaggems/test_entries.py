"""Every operator that FlagGems registers, through its route, against the CPU: each dtype, results and gradients.

FLAGGEMS_ENTRIES=all runs every entry with more calls of each; otherwise every twelfth.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch
import torch_fl
from flagos.flaggems import package
from torch_fl import routing

from tests.flaggems.checking import check
from tests.flaggems.expectations import DIRECT, RANDOM, UNSERVED, WRONG

FOUND = package.find()
ENTRIES = FOUND.entries if isinstance(FOUND, package.Package) else ()
EVERY = os.environ.get("FLAGGEMS_ENTRIES") == "all"

pytestmark = [
    pytest.mark.flaggems_python,
    pytest.mark.skipif(not ENTRIES, reason=FOUND if isinstance(FOUND, str) else ""),
]


@pytest.fixture(scope="module")
def flaggems_serves() -> Iterator[None]:
    before = torch.ops.flagos.routing_trace()
    with routing.override("*", "flagos_python, cpu"):
        torch.ops.flagos.routing_set_trace(before | routing._COUNT)
        yield
        torch.ops.flagos.routing_set_trace(before)


def cases() -> list[object]:
    chosen = [entry for entry in ENTRIES if entry not in DIRECT]
    return [
        pytest.param(entry, marks=[pytest.mark.xfail(strict=True, reason=WRONG[entry])] if entry in WRONG else [])
        for entry in (chosen if EVERY else chosen[::12])
    ]


@pytest.mark.usefixtures("flaggems_serves")
@pytest.mark.parametrize("entry", cases())
def test_entry(entry: str) -> None:
    outcome = check(entry, 3 if EVERY else 1)
    assert outcome.failures == []
    assert outcome.calls > 0, "no call was made: arguments.py lacks some"
    assert outcome.launches > 0, "no compiled kernel was launched"


def test_every_row_speaks_of_an_entry() -> None:
    assert len(ENTRIES) == 433
    assert set(DIRECT) | set(WRONG) | set(UNSERVED) | RANDOM <= set(ENTRIES)


def test_every_entry_is_routed_or_said_not_to_be() -> None:
    known = set(torch_fl.get_registered_ops())
    lost = {entry for entry in ENTRIES if entry not in known}
    assert lost <= set(DIRECT)
