"""Tests of the operators run against the model of the framework's contract, in this process.

The acceptance tests start processes of their own on the framework itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch_fl  # noqa: F401

CONTRACT = str(Path(__file__).parent / "contract")


def _ours(name: str) -> bool:
    return name.partition(".")[0] in ("lightx2v", "lightx2v_platform")


@pytest.fixture(autouse=True)
def framework(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """LightX2V's contract on sys.path, with the device flagos chosen."""
    if "acceptance" in Path(request.fspath).parts:  # type: ignore[attr-defined]
        yield
        return
    monkeypatch.syspath_prepend(CONTRACT)
    for name in [name for name in sys.modules if _ours(name)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setenv("DTYPE", "BF16")
    monkeypatch.delenv("SENSITIVE_LAYER_DTYPE", raising=False)
    monkeypatch.setenv("PLATFORM", "in_tree")
    monkeypatch.setenv("CONTRACT_WITHOUT_SCAN", "1")
    import lightx2v  # noqa: F401
    from lightx2v_platform.base import global_var

    global_var.AI_DEVICE = "flagos"
    torch.manual_seed(0)
    yield
    for name in [name for name in sys.modules if _ours(name)]:
        del sys.modules[name]


@pytest.fixture(params=["native", "torch"])
def supplier(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each supplier of the operators in turn, alone."""
    from lightx2v_fl.kernels.supply import only

    with only(request.param):
        yield request.param
