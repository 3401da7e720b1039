"""What a routed call costs in the core alone: the C++ program routing_bench, where it is built."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def run(build: Path) -> Iterator[dict[str, Any]]:
    """The program's rows; one is within its limit when no call allocated."""
    program = build / "bin" / "routing_bench"
    if not program.exists():
        raise FileNotFoundError(f"{program} is not there: run `make build`, or name its folder by --build.")
    said = subprocess.run([program, "--json"], check=True, capture_output=True, text=True).stdout
    for row in json.loads(said)["rows"]:
        yield {**row, "within": row["allocations_a_call"] == 0}


def show(row: dict[str, Any]) -> str:
    low, high = row["over_ns_quartiles"]
    return (
        f"routed call, {row['name']:21} {row['over_ns']:6.2f} ns over a direct one  quartiles [{low:.2f}, {high:.2f}], "
        f"{row['allocations_a_call']:g} allocations  {'ok' if row['within'] else 'OVER'}"
    )
