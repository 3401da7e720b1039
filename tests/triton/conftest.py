"""Kernels compiled by this backend need a stock Triton of a version that it serves."""

import importlib.util
import os
from pathlib import Path

import pytest

MISSING = importlib.util.find_spec("triton") is None
collect_ignore_glob = ["test_*.py"] if MISSING else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if MISSING:
        terminalreporter.write_line("tests/triton: not run, pip install --no-deps triton==3.6.0 is missing")


@pytest.fixture(autouse=True, scope="session")
def _cache_of_this_session(tmp_path_factory: pytest.TempPathFactory):
    """Every session compiles anew: a kernel of an older build must not pass for one of this build."""
    folder: Path = tmp_path_factory.mktemp("triton-cache")
    outer = os.environ.get("TRITON_CACHE_DIR")
    os.environ["TRITON_CACHE_DIR"] = str(folder)
    yield
    if outer is None:
        del os.environ["TRITON_CACHE_DIR"]
    else:
        os.environ["TRITON_CACHE_DIR"] = outer
