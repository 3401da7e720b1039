"""The platform of the run: its conf file, and a skip with the reason for the marks whose kernels are not here.

Options: --model PATH (a local Qwen3 checkpoint; random weights without it) and --steps N of the training test.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
import torch_fl
from torch_fl import routing

#: Marks that need a driver of this name, and marks that need a target of this name.
DRIVERS = {"cuda": "cuda", "ascend": "ascend"}
TARGETS = {"flaggems": "flagos", "flaggems_python": "flagos_python"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--model", metavar="PATH", help="folder of a Qwen3 checkpoint; random weights when not given")
    parser.addoption("--steps", type=int, default=10, help="training steps of test_qwen3_train.py (default 10)")


def pytest_configure(config: pytest.Config) -> None:
    """Where FLAGOS_BACKEND_CONFIG is unset, the conf that is shipped for the driver at hand is taken, if there is one.

    The device reads the environment at its first use, which comes later."""
    shipped = Path(torch_fl.__file__).with_name(f"backends_{_driver()}.conf")
    if "FLAGOS_BACKEND_CONFIG" not in os.environ and shipped.exists():
        os.environ["FLAGOS_BACKEND_CONFIG"] = str(shipped)


def pytest_report_header() -> str:
    return f"flagos: driver {_driver()}, conf {os.environ.get('FLAGOS_BACKEND_CONFIG', 'the shipped default')}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark, driver in DRIVERS.items():
        if item.get_closest_marker(mark) and driver != _driver():
            pytest.skip(f"needs a device of the driver '{driver}'; the devices here are those of '{_driver()}'")
    present = {target.name: target for target in routing.targets()}
    for mark, name in TARGETS.items():
        target = present.get(name)
        if item.get_closest_marker(mark) and (target is None or not target.present):
            pytest.skip(f"needs the target '{name}': {target.absent if target else 'it is not known here'}")


def _driver() -> str:
    return torch.flagos.get_device_properties(0).driver


@pytest.fixture(scope="session")
def model_path(request: pytest.FixtureRequest) -> str | None:
    """--model, or None when it was not given (a run of the whole folder has no such option)."""
    return request.config.getoption("--model", None)


@pytest.fixture(scope="session")
def steps(request: pytest.FixtureRequest) -> int:
    return request.config.getoption("--steps", 10)
