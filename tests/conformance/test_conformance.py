"""The slice of the databases that `make test` runs: every entry, two samples each, in every mode."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("mode", ["exact", "default", "sim"])
def test_slice(mode: str, tmp_path: Path) -> None:
    written = tmp_path / "out.json"
    command = ["-m", "tests.conformance", "--tier", "slice", "--mode", mode, "--json", str(written)]
    child = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    assert child.returncode == 0, child.stdout[-4000:] + child.stderr[-2000:]
    (run,) = json.loads(written.read_text())
    assert run["counts"]["operators"] >= 685
    assert run["counts"]["modules"] >= 112
