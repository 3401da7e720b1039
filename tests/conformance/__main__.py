"""`python -m tests.conformance`: runs the databases in the modes asked for, shows progress, gives the verdict.

Exit status 0: every mode is as expectations.json says. 1: it is not; the sentences say how. 2: it could not run.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import modules, operators, optimizers
from .case import Case, Outcome
from .expectations import TABLE, Expectations, Verdict, judge
from .pool import Pool


@dataclass(frozen=True)
class Tier:
    """`samples`: at most so many a case; `every_dtype`: all that the operator supports, or one; `limit_s` a case;
    `modes`: those that run when none is named."""

    samples: int | None
    every_dtype: bool
    limit_s: float
    modes: tuple[str, ...] = ("exact", "default", "sim")


TIERS = {
    "slice": Tier(samples=2, every_dtype=False, limit_s=60),
    "ci": Tier(samples=None, every_dtype=False, limit_s=120),
    "full": Tier(samples=None, every_dtype=True, limit_s=600, modes=("exact",)),
}
SUITES = {"operators": operators, "modules": modules, "optimizers": optimizers}


def cases(tier: Tier, suites: Sequence[str], names: Sequence[str]) -> list[Case]:
    """The cases of a run. `names`: only these; an unknown one is a ValueError with the nearest known names."""
    chosen = []
    for suite in suites:
        for name, info in SUITES[suite].by_name().items():
            if names and name not in names:
                continue
            chosen += [Case(suite, name, dtype, tier.samples) for dtype in _dtypes(suite, info, tier)]
    unknown = set(names) - {case.name for case in chosen}
    if unknown:
        raise ValueError(f"not in the databases: {', '.join(sorted(unknown))}")
    return chosen


def _dtypes(suite: str, info: Any, tier: Tier) -> list[str]:
    if suite == "operators":
        return [str(dtype).removeprefix("torch.") for dtype in operators.dtypes(info, tier.every_dtype)]
    if suite == "modules" and tier.every_dtype:
        return [str(dtype).removeprefix("torch.") for dtype in info.dtypes]
    return ["float32"]


@dataclass
class Run:
    mode: str
    tier: str
    seconds: float
    outcomes: list[Outcome] = field(repr=False)
    verdict: Verdict


def run_mode(mode: str, tier_name: str, chosen: Sequence[Case], jobs: int, whole: bool) -> Run:
    expectations, tier = Expectations.of(mode), TIERS[tier_name]
    environment = {**expectations.environment, "OMP_NUM_THREADS": "1"}
    pool = Pool(["-m", "tests.conformance.worker", "--mode", mode], environment, jobs, tier.limit_s)
    started = time.monotonic()
    outcomes = list(_shown(pool.run(chosen), mode, len(chosen)))
    verdict = judge(expectations, tier_name, outcomes, whole)
    return Run(mode, tier_name, round(time.monotonic() - started, 1), outcomes, verdict)


def _shown(outcomes: Iterator[Outcome], mode: str, total: int) -> Iterator[Outcome]:
    """Passes the outcomes on and tells how far the run is: a line that rewrites itself, or ten lines in a log."""
    live, started, samples, failing, tenth = sys.stderr.isatty(), time.monotonic(), 0, 0, 0
    for number, outcome in enumerate(outcomes, 1):
        samples += outcome.samples
        failing += bool(outcome.failures)
        seconds = time.monotonic() - started
        line = f"{mode}: {number}/{total} cases, {samples} samples, {failing} failing, {seconds:.0f} s"
        if live:
            print(f"\r{line}\033[K", end="" if number < total else "\n", file=sys.stderr, flush=True)
        elif number * 10 // total > tenth:
            tenth = number * 10 // total
            print(line, file=sys.stderr, flush=True)
        yield outcome


_SHOWN = 40


def show(run: Run) -> None:
    counts = ", ".join(f"{number} {what}" for what, number in sorted(run.verdict.counts.items()))
    print(f"{run.mode} / {run.tier}: {'as expected' if run.verdict.passed else 'NOT as expected'} in {run.seconds} s")
    print(f"  pass: {counts}")
    for name, reason in run.verdict.expected.items():
        print(f"  expected to fail: {name} ({reason})")
    for problem in run.verdict.problems[:_SHOWN]:
        print(f"  problem: {problem}")
    if len(run.verdict.problems) > _SHOWN:
        print(f"  … and {len(run.verdict.problems) - _SHOWN} more problems; --json FILE has all")


def to_json(runs: Sequence[Run]) -> list[dict[str, Any]]:
    return [
        {
            "mode": run.mode,
            "tier": run.tier,
            "seconds": run.seconds,
            "passed": run.verdict.passed,
            "counts": run.verdict.counts,
            "problems": run.verdict.problems,
            "cases": [outcome.to_json() for outcome in run.outcomes],
        }
        for run in runs
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    modes = list(json.loads(TABLE.read_text())["modes"])
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these operators, modules or optimizers")
    parser.add_argument("--tier", choices=TIERS, default="ci")
    parser.add_argument(
        "--mode",
        choices=modes,
        action="append",
        help="repeatable; when not given: exact, default and sim, in tier full exact alone",
    )
    parser.add_argument("--suite", choices=SUITES, action="append", help="repeatable; all when not given")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every outcome here")
    options = parser.parse_args(arguments)
    suites = options.suite or list(SUITES)
    runs = []
    try:
        chosen = cases(TIERS[options.tier], suites, options.names)
        whole = not options.names and len(suites) == len(SUITES) and options.tier != "slice"
        for mode in options.mode or TIERS[options.tier].modes:
            runs.append(run_mode(mode, options.tier, chosen, options.jobs, whole))
            show(runs[-1])
    except (ValueError, RuntimeError) as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2
    if options.json:
        options.json.write_text(json.dumps(to_json(runs), indent=1))
    return 0 if all(run.verdict.passed for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
