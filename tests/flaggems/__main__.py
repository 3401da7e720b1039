"""Runs FlagGems' own tests, from a checkout laid beside the project, against the routed device.

    python -m tests.flaggems --checkout ../FlagGems [--sample 4] [--records folder] [test_add.py test_mm.py ...]

Ends with the figures: cases, judged, passed, and the reasons of those that were excluded or failed. Exit status 1 when
fewer than the asked share of the judged cases passed. What ran is kept in the folder of --records, one file a test
file: the same command goes on with the cases that have no record yet, whatever ended the run before.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.flaggems import judging, records

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def files_of(checkout: Path) -> list[str]:
    return sorted(str(p.relative_to(checkout / "tests")) for p in (checkout / "tests").rglob("test_*.py"))


def environment(given: argparse.Namespace) -> dict[str, str]:
    return {
        # A process a core, rather than processes that share the cores.
        "OMP_NUM_THREADS": str(max(1, len(os.sched_getaffinity(0)) // given.jobs)),
        **os.environ,
        "FLAGOS_STRICT": "1",
        "FLAGOS_TRACE": "1",
        "FLAGOS_BACKEND_CONFIG": "backends_flagos_py.conf",
        "FLAGGEMS_RECORDS": str(given.records),
        "FLAGGEMS_SAMPLE": str(given.sample),
        "FLAGGEMS_LIMIT": str(given.limit),
        "FLAGGEMS_REVISION": revision(),
        # The checkout has a package `tests` too, so the plugin and what it needs go by names of their own.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")])),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def revision() -> str:
    """What is tested: the commit, and whether the tree differs from it."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=ROOT, capture_output=True, text=True
    )
    return said.stdout.strip() or "unknown"


def run(given: argparse.Namespace, files: list[str]) -> None:
    """Runs the cases of these files that have no record; a process that dies is followed by one with the cases left."""
    left = [file for file in files if not records.complete(given.records, file)]
    while left:
        before = sum(len(records.read(given.records, file)) for file in left)
        ended, said = run_process(given, left)
        if ended in (0, 1, 5):  # passed, failed, nothing collected
            for file in left:
                records.mark_complete(given.records, file)
            return
        for file in left:
            records.close_open_case(given.records, file, f"the process ended with {ended}: {said}")
        if sum(len(records.read(given.records, file)) for file in left) == before:
            # It dies before any case: the first file is to blame, or the next round finds out.
            records.add_failure(given.records, left[0], f"the process ended with {ended}: {said}")
            records.mark_complete(given.records, left[0])
            left = left[1:]


def run_process(given: argparse.Namespace, files: list[str]) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "flaggems_plugin"]
    command += ["--rootdir", str(given.checkout), "--continue-on-collection-errors", "--quick"]
    command += [str(given.checkout / "tests" / file) for file in files]
    # FlagGems' conftest writes a report into the working directory.
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, env=environment(given), capture_output=True, text=True)
    return done.returncode, (done.stdout[-300:] + done.stderr[-1500:]).strip()


def run_all(given: argparse.Namespace, files: list[str]) -> None:
    started = time.monotonic()
    batches = [files[first : first + given.batch] for first in range(0, len(files), given.batch)]
    with ThreadPoolExecutor(given.jobs) as pool:
        finished = 0
        for batch, _ in zip(batches, pool.map(lambda batch: run(given, batch), batches), strict=True):
            finished += len(batch)
            found = judging.judge_all(records.read_all(given.records, batch))
            passed = sum(case.verdict == "passed" for case in found)
            print(
                f"[{finished:3}/{len(files)} files, {(time.monotonic() - started) / 60:5.1f} min] {batch[0]} ... "
                f"{batch[-1]}: {passed} of {len(found)} passed",
                flush=True,
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="test files below tests/ of the checkout; all when none is named")
    parser.add_argument("--checkout", type=Path, required=True, help="a FlagGems source tree, tag v5.0.2")
    parser.add_argument("--sample", type=int, default=0, help="at most so many cases of each test function")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--batch", type=int, default=8, help="files that share a process")
    parser.add_argument("--limit", type=int, default=1800, help="seconds for one case")
    parser.add_argument("--least", type=float, default=0.97, help="the share of judged cases that must pass")
    parser.add_argument("--records", type=Path, help="folder that keeps what ran; the run goes on from there")
    parser.add_argument("--judge", action="store_true", help="run nothing: the figures of what --records has")
    parser.add_argument("--json", type=Path, help="file for the figures, with each case that did not pass")
    given = parser.parse_args()
    given.checkout = given.checkout.resolve()
    if not (given.checkout / "tests" / "accuracy_utils.py").is_file():
        parser.error(f"{given.checkout} has no FlagGems tests; lay a checkout of tag v5.0.2 there")
    if given.judge and not given.records:
        parser.error("--judge needs --records")
    files = given.files or files_of(given.checkout)
    with tempfile.TemporaryDirectory() as folder:
        given.records = (given.records or Path(folder)).resolve()
        given.records.mkdir(parents=True, exist_ok=True)
        if not given.judge:
            run_all(given, files)
        unfinished = [file for file in files if not records.complete(given.records, file)]
        cases = judging.judge_all(records.read_all(given.records, files))
        revisions = records.revisions(given.records, files)
    report = judging.Report.of(cases, revisions, unfinished)
    print(report)
    if given.json:
        given.json.write_text(json.dumps(report.to_json(), indent=1) + "\n", encoding="utf-8")
    return 0 if report.share >= given.least and not unfinished else 1


if __name__ == "__main__":
    sys.exit(main())
