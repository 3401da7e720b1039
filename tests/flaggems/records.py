"""What ran of FlagGems' own tests, on disk: a file of JSON lines for each test file, written case by case.

A line begins a case, a line ends it, so that a process that dies tells in which case; a last line says that the file
has been run to its end. The plugin inside of pytest writes here and the runner reads, both in their own process.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def path_of(folder: Path, file: str) -> Path:
    return folder / f"{file.replace('/', '-')}.jsonl"


def add(folder: Path, file: str, **line: Any) -> None:
    with path_of(folder, file).open("a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")


def _lines(folder: Path, file: str) -> list[Record]:
    path = path_of(folder, file)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue  # the last line of a process that was killed while it wrote
    return found


def read(folder: Path, file: str) -> dict[str, Record]:
    """The records of the cases that ended, by name. Of a case with several (call, teardown) the worst counts."""
    ended: dict[str, Record] = {}
    for line in _lines(folder, file):
        if "outcome" in line and not (line["case"] in ended and ended[line["case"]]["outcome"] == "failed"):
            ended[line["case"]] = line
    return ended


def read_all(folder: Path, files: list[str]) -> list[Record]:
    return [record for file in files for record in read(folder, file).values()]


def close_open_case(folder: Path, file: str, error: str) -> None:
    """Ends the case that was begun and has no end, as failed."""
    begun = [line["begun"] for line in _lines(folder, file) if "begun" in line]
    ended = read(folder, file)
    for case in dict.fromkeys(begun):
        if case not in ended:
            add_failure(folder, file, error, case)


def add_failure(folder: Path, file: str, error: str, case: str | None = None) -> None:
    add(folder, file, case=case or file, outcome="failed", launches=0, reached=[], error=error, where=[], seconds=0.0)


def mark_complete(folder: Path, file: str) -> None:
    add(folder, file, complete=True)


def complete(folder: Path, file: str) -> bool:
    return any("complete" in line for line in _lines(folder, file))


def revisions(folder: Path, files: list[str]) -> list[str]:
    """The commits and processors that the cases ran at, in order."""
    told = (line["at"] for file in files for line in _lines(folder, file) if "at" in line)
    return sorted(set(told))
