"""The committed table of modes, tolerances, exceptions and counts (expectations.json), and the verdict over it.

The table is strict both ways: a failure that it does not name fails the run, and so does an exception that no longer
happens or a count that shrinks. Whoever changes the table says why in the entry's `reason`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from .case import Outcome
from .comparison import Tolerance

TABLE = Path(__file__).with_name("expectations.json")


@dataclass(frozen=True)
class Expectations:
    """The part of the table that holds for one mode."""

    mode: str
    table: Mapping[str, Any]

    @staticmethod
    def of(mode: str, path: Path = TABLE) -> Expectations:
        table = json.loads(path.read_text())
        if mode not in table["modes"]:
            raise ValueError(f"mode {mode!r} is not in {path.name}; there are {', '.join(table['modes'])}")
        return Expectations(mode, table)

    @property
    def device(self) -> str:
        return self.table["modes"][self.mode]["device"]

    @property
    def environment(self) -> dict[str, str]:
        return dict(self.table["modes"][self.mode]["environment"])

    @property
    def same_randoms(self) -> bool:
        """True when the device draws the CPU's own random numbers after the same seed."""
        return self.table["modes"][self.mode]["same_randoms"]

    @property
    def ledger(self) -> bool:
        """True when every kernel that ran on the host for this device must have copied bytes."""
        return self.table["modes"][self.mode].get("ledger", False)

    @cached_property
    def tolerances(self) -> dict[str, Tolerance]:
        return _tolerances(self.table["tolerances"][self.table["modes"][self.mode]["tolerances"]])

    @cached_property
    def metadata_only(self) -> set[str]:
        return {entry["operator"] for entry in self.table["metadata_only"]}

    @cached_property
    def stays_on_cpu(self) -> dict[str, list[int]]:
        return {entry["operator"]: entry["arguments"] for entry in self.table["stays_on_cpu"]}

    @cached_property
    def _exceptions(self) -> list[Mapping[str, Any]]:
        return [entry for entry in self.table["exceptions"] if self.mode in entry["modes"]]

    def tolerances_of(self, name: str) -> dict[str, Tolerance]:
        """The mode's tolerances, widened where an entry names this operator, module or optimizer."""
        wide: dict[str, Tolerance] = dict(self.tolerances)
        for entry in self._exceptions:
            if name in entry["names"]:
                wide.update(_tolerances(entry.get("tolerances", {})))
        return wide

    @cached_property
    def failing(self) -> dict[str, str]:
        """Names that must fail in this mode, with the reason."""
        return {name: entry["reason"] for entry in self._exceptions if entry.get("fails") for name in entry["names"]}

    def floors(self, tier: str) -> Mapping[str, int]:
        """The least counts of what must pass: operators, samples, modules, module_inputs, optimizers."""
        return self.table["floors"].get(self.mode, {}).get(tier, {})


def _tolerances(entries: Mapping[str, Iterable[float]]) -> dict[str, Tolerance]:
    return {dtype: Tolerance(*values) for dtype, values in entries.items()}


# ---- The verdict ----
@dataclass(frozen=True)
class Verdict:
    """`problems`: sentences, empty when the run is as the table says. `expected`: failures that the table names."""

    counts: dict[str, int]
    problems: list[str]
    expected: dict[str, str]

    @property
    def passed(self) -> bool:
        return not self.problems


def judge(expectations: Expectations, tier: str, outcomes: Iterable[Outcome], whole: bool) -> Verdict:
    """`whole`: every name of the databases was run with every sample of the tier, so that counts may be held to it."""
    outcomes = list(outcomes)
    failed = {outcome.case.name: outcome for outcome in outcomes if outcome.failures}
    problems = []
    for outcome in outcomes:
        if outcome.failures and outcome.case.name not in expectations.failing:
            first = outcome.failures[0]
            more = f" (and {len(outcome.failures) - 1} more samples)" if len(outcome.failures) > 1 else ""
            problems.append(f"{outcome.case}: sample {first.sample}, {first.stage}: {first.what}{more}")
        # The first samples of some entries have no elements; all of them together have.
        if outcome.case.limit is None and outcome.uncounted:
            problems.append(f"{outcome.case}: {', '.join(outcome.uncounted)} ran on the host and copied no byte")
    counts = count(outcomes)
    if whole:
        ran = {outcome.case.name for outcome in outcomes}
        for name, reason in expectations.failing.items():
            if name not in failed:
                state = "passes" if name in ran else "is not in the database any more"
                problems.append(f"{name} {state}: take it out of {TABLE.name} (its reason was: {reason})")
        for what, least in expectations.floors(tier).items():
            if counts.get(what, 0) < least:
                problems.append(f"{counts.get(what, 0)} {what} pass, {TABLE.name} asks for {least}")
    expected = {name: reason for name, reason in expectations.failing.items() if name in failed}
    return Verdict(counts, problems, expected)


_COUNTED = {"operators": "samples", "modules": "module_inputs", "optimizers": "optimizer_inputs"}


def count(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Names of which something ran and nothing failed, and the samples that passed, for each database."""
    counts: dict[str, int] = {}
    good: dict[tuple[str, str], bool] = {}
    for outcome in outcomes:
        inputs = _COUNTED[outcome.case.suite]
        bad = len({failure.sample for failure in outcome.failures})
        counts[inputs] = counts.get(inputs, 0) + max(outcome.samples - bad, 0)
        if outcome.samples or outcome.failures:
            key = (outcome.case.suite, outcome.case.name)
            good[key] = good.get(key, True) and not outcome.failures
    for (suite, _), fine in good.items():
        counts[suite] = counts.get(suite, 0) + fine
    return counts
