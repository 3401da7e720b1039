"""What was measured, on disk: JSON lines, one for each operator, dtype and size, so that a later run goes on.

A file may hold the lines of several processors; files of several machines may be laid together.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from flagos.route_tuning.measuring import Timing


@dataclass(frozen=True)
class Result:
    """One call of an operator, on each of its targets; or, with no size asked for, how its results compare."""

    operator: str
    dtype: str
    asked: int  # elements that were asked for; 0: results were compared, nothing was timed
    elements: int  # elements of its largest operand
    processor: str  # the kind that kernels are compiled for, and its name: "znver4 (AMD EPYC)"
    driver: str
    threads: int
    packages: str  # "torch 2.13.0, flag_gems 5.0.2"
    timings: tuple[Timing, ...]
    refused: dict[str, str]  # target -> why it does not serve the call
    wrong: dict[str, str] = field(default_factory=dict)  # target -> how what it computes differs from the reference's

    @property
    def key(self) -> tuple[str, str, int, str, str, int, str]:
        """What makes a second measurement unnecessary."""
        return self.operator, self.dtype, self.asked, self.processor, self.driver, self.threads, self.packages

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Result:
        return cls(**{**row, "timings": tuple(Timing(**timing) for timing in row["timings"])})


def read(paths: Iterable[Path]) -> list[Result]:
    """All lines of these files; files that are not there yet have none. ValueError for a line that is no result."""
    found = []
    for path in paths:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for number, line in enumerate(lines, 1):
            try:
                found.append(Result.from_json(json.loads(line)))
            except (json.JSONDecodeError, TypeError, KeyError) as error:
                raise ValueError(f"{path}:{number}: no result of 'flagos routes tune' ({error}); remove it") from None
    return found


def add(path: Path, result: Result) -> None:
    """Appends a line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result)) + "\n")
