"""With PyTorch's CPU kernels and the CPU's random engine, a whole model on flagos has the CPU's bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.expectations import Expectations

ROOT = Path(__file__).resolve().parents[2]
CASES = (
    "forward sdpa float32",
    "forward sdpa bfloat16",
    "forward eager float32",
    "forward eager bfloat16",
    "generate greedy",
    "generate sampled",
    "generate beam",
    "generate static cache",
    "generate left padded",
    "train default",
    "train foreach",
    "train fused",
    "train autocast bfloat16",
    "train bfloat16 weights",
    "train checkpointing",
    "train attention dropout",
    "MiniLM sdpa",
    "MiniLM eager",
    "8 threads over shared weights",
)


@pytest.fixture(scope="module")
def differences() -> dict[str, str | None]:
    environment = {**os.environ, **Expectations.of("exact").environment, "HF_HUB_OFFLINE": "1"}
    child = subprocess.run(
        [sys.executable, "-m", "tests.models.programs"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert child.returncode == 0, child.stderr[-3000:]
    return json.loads(child.stdout)


@pytest.mark.parametrize("case", CASES)
def test_has_the_bits_of_the_cpu(case: str, differences: dict[str, str | None]) -> None:
    assert differences[case] is None


def test_no_case_is_left_unchecked(differences: dict[str, str | None]) -> None:
    assert sorted(differences) == sorted(CASES)
