"""The runner of FlagGems' own tests, over a checkout that is made here: what it counts, and that it goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from flagos.flaggems import package

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.flaggems_python,
    pytest.mark.skipif(isinstance(package.find(), str), reason=str(package.find())),
]

CONFTEST = """
def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true")
"""
CASES = """
import os
import flag_gems
import torch

def ones(*sizes):
    return torch.ones(*sizes, device=flag_gems.device)

def test_add():
    x = ones(4)
    with flag_gems.use_gems():
        y = x + x
    assert y.tolist() == [2.0] * 4

def test_dies():
    os._exit(3)

def test_after_it():
    x = ones(4)
    with flag_gems.use_gems():
        y = torch.square(x)
    assert y.tolist() == [1.0] * 4

def test_launches_nothing():
    x = ones(0)
    with flag_gems.use_gems():
        torch.cosh(x)

def test_is_wrong():
    x = ones(4)
    with flag_gems.use_gems():
        y = x + x
    assert y.tolist() == [3.0] * 4

def test_needs_strictness():
    x = torch.ones(2, 2, dtype=torch.int64, device=flag_gems.device)
    with flag_gems.use_gems():
        torch.mm(x, x)
"""


def run(checkout: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], dict]:
    figures = checkout / "figures.json"
    command = [sys.executable, "-m", "tests.flaggems", "--checkout", str(checkout), "--json", str(figures), *words]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True)
    assert figures.exists(), done.stdout + done.stderr
    return done, json.loads(figures.read_text())


def test_a_run(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    for name, text in {
        "__init__.py": "",
        "accuracy_utils.py": "",
        "conftest.py": CONFTEST,
        "test_cases.py": CASES,
        "test_unreadable.py": "import nothing_of_that_name\n",
    }.items():
        (folder / name).write_text(text)
    records = tmp_path / "records"
    done, told = run(tmp_path, "--records", str(records))
    assert done.returncode == 1  # fewer passed than 97 %
    assert (told["cases"], told["passed"], told["failed"]) == (7, 2, 5)
    assert told["unfinished"] == []
    why = {case["name"].rpartition("::")[2]: case["why"] for case in told["not_passed"]}
    assert why.pop("test_dies").startswith("the process ended with 3")
    assert why.pop("test_launches_nothing") == "no compiled kernel was launched by cosh"
    assert why.pop("test_is_wrong").startswith("AssertionError")
    assert "Unsupported lhs dtype int64" in why.pop("test_needs_strictness")
    ((name, error),) = why.items()
    assert name.endswith("test_unreadable.py")
    assert "nothing_of_that_name" in error

    before = {file.name: file.read_text() for file in records.iterdir()}
    again, told_again = run(tmp_path, "--records", str(records), "--least", "0.2")
    assert again.returncode == 0
    assert told_again == told
    assert {file.name: file.read_text() for file in records.iterdir()} == before
