"""Whole models with FlagGems' kernels: what the CPU computes, and nearly all calls on FlagGems.

A process of its own for each, since the conf file is that of its environment.
"""

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


def figures(program: str) -> dict[str, float]:
    environment = {**os.environ, "FLAGOS_BACKEND_CONFIG": "backends_flagos_py.conf", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-W", "ignore", "-m", "tests.flaggems.programs", program]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_qwen3_makes_the_same_greedy_tokens() -> None:
    found = figures("generate")
    assert found["tokens that differ"] == 0
    assert found["share"] >= 0.95


def test_qwen3_trains_along_the_same_losses() -> None:
    found = figures("train")
    assert found["largest relative difference"] <= 1e-4
    assert found["last loss"] < found["first loss"]
    assert found["share"] >= 0.95


def test_minilm_embeds_the_same() -> None:
    found = figures("embed")
    assert found["largest difference"] <= 1e-5
    assert found["share"] >= 0.95
