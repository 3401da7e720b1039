"""Runs FlagGems' own tests, from a checkout laid beside the project, against the routed device.

    python -m tests.flaggems --checkout ../FlagGems [--sample 4] [test_add.py test_mm.py ...]

A process runs a few files; one that dies counts as a failed case, and another goes on with the file after.
Ends with the figures: cases, judged, passed, and the reasons of those that were excluded or failed. Exit status 1 when
fewer than the asked share of the judged cases passed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.flaggems import judging

HERE = Path(__file__).resolve().parent
NO_LAUNCH = "no compiled kernel was launched"


@dataclass(frozen=True)
class Case:
    """How a case ended."""

    name: str
    verdict: str  # "passed", "failed", "excluded" or "skipped"
    why: str
    where: tuple[str, ...] = ()


def files_of(checkout: Path) -> list[str]:
    return sorted(str(p.relative_to(checkout / "tests")) for p in (checkout / "tests").rglob("test_*.py"))


def environment(records: Path, sample: int) -> dict[str, str]:
    return {
        **os.environ,
        "FLAGOS_STRICT": "1",
        "FLAGOS_TRACE": "1",
        "FLAGOS_BACKEND_CONFIG": "backends_flagos_py.conf",
        "FLAGGEMS_RECORDS": str(records),
        "FLAGGEMS_SAMPLE": str(sample),
        # The checkout has a package `tests` too, so the plugin goes by a name of its own.
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(Path(__file__).resolve().parent), os.environ.get("PYTHONPATH")])
        ),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run(checkout: Path, files: list[str], sample: int, limit: float) -> list[Case]:
    """Runs files in one process; when it dies, goes on in another with the file after the one that it died in."""
    cases: list[Case] = []
    while files:
        found, left = run_process(checkout, files, sample, limit)
        cases += found
        files = left
    return cases


def run_process(checkout: Path, files: list[str], sample: int, limit: float) -> tuple[list[Case], list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder) / "records"
        records.touch()
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "flaggems_plugin"]
        command += ["--rootdir", str(checkout), "--quick"]
        command += [str(checkout / "tests" / file) for file in files]
        try:
            # FlagGems' conftest writes a report into the working directory.
            done = subprocess.run(
                command, cwd=folder, env=environment(records, sample), capture_output=True, text=True, timeout=limit
            )
            ended, said = done.returncode, done.stdout[-1000:] + done.stderr[-2000:]
        except subprocess.TimeoutExpired:
            ended, said = -1, f"took longer than {limit:.0f} s"
        lines = [json.loads(line) for line in records.read_text(encoding="utf-8").splitlines()]
    cases = [judge(record) for record in lines]
    if ended in (0, 1, 5):  # passed, failed, nothing collected
        return cases, []
    begun = {case.name.split("::")[0].removeprefix("tests/") for case in cases}
    died_in = next((file for file in reversed(files) if file in begun), files[0])
    cases.append(Case(died_in, "failed", f"the process ended with {ended}: {said[-600:]}"))
    return cases, files[files.index(died_in) + 1 :]


def judge(record: dict) -> Case:
    name, error, where = record["case"], record["error"], tuple(record["where"])
    if record["outcome"] == "skipped":
        return Case(name, "skipped", error)
    if record["outcome"] == "passed" and record["launches"] > 0:
        return Case(name, "passed", "")
    if record["outcome"] == "failed":
        why = error
    elif record["reached"]:
        why = f"{NO_LAUNCH} by {', '.join(record['reached'])}"
    else:
        why = NO_LAUNCH
    reason = judging.excluded(name, why)
    return Case(name, "excluded" if reason else "failed", reason or why, where)


def _kind(why: str) -> str:
    return re.sub(r"0x[0-9a-f]+|\d+", "#", why.split("\n")[0])[:160]


def report(cases: list[Case]) -> tuple[str, float]:
    """The figures as text, and the share of the judged cases that passed."""
    counts = Counter(case.verdict for case in cases)
    judged = counts["passed"] + counts["failed"]
    share = counts["passed"] / judged if judged else 0.0
    lines = [
        f"{len(cases)} cases: {judged} judged, {counts['passed']} passed ({share:.2%}), {counts['failed']} failed, "
        f"{counts['excluded']} excluded, {counts['skipped']} skipped by FlagGems"
    ]
    for verdict in ("failed", "excluded", "skipped"):
        kinds = Counter(_kind(case.why) for case in cases if case.verdict == verdict)
        lines += [f"  {verdict:9}{number:6}  {why}" for why, number in kinds.most_common()]
    return "\n".join(lines), share


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="test files below tests/ of the checkout; all when none is named")
    parser.add_argument("--checkout", type=Path, required=True, help="a FlagGems source tree, tag v5.0.2")
    parser.add_argument("--sample", type=int, default=0, help="at most so many cases of each test function")
    parser.add_argument("--batch", type=int, default=8, help="files that share a process")
    parser.add_argument("--limit", type=float, default=7200, help="seconds for one process")
    parser.add_argument("--least", type=float, default=0.97, help="the share of judged cases that must pass")
    parser.add_argument("--log", type=Path, help="a file that gets one JSON line a case that did not pass")
    given = parser.parse_args()
    checkout = given.checkout.resolve()
    if not (checkout / "tests" / "accuracy_utils.py").is_file():
        parser.error(f"{checkout} has no FlagGems tests; lay a checkout of tag v5.0.2 there")
    cases: list[Case] = []
    files = given.files or files_of(checkout)
    for first in range(0, len(files), given.batch):
        batch = files[first : first + given.batch]
        found = run(checkout, batch, given.sample, given.limit)
        cases += found
        passed = sum(case.verdict == "passed" for case in found)
        print(f"{batch[0]:40} ... {batch[-1]:40} {passed:5} of {len(found):5}", flush=True)
        if given.log:
            with given.log.open("a", encoding="utf-8") as log:
                for case in found:
                    if case.verdict != "passed":
                        log.write(json.dumps(case.__dict__) + "\n")
    text, share = report(cases)
    print(text)
    return 0 if share >= given.least else 1


if __name__ == "__main__":
    sys.exit(main())
