"""Runs a program in a fresh Python process: what an import does is seen only there."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from importlib import metadata
from pathlib import Path

import flagos

_ENTRY_POINTS = """[torch.backends]
flagos = flagos.autoload:autoload

[torch_dynamo_backends]
flagos = torch_fl.compilation:backend
"""


def fresh(program: str, **variables: str | None) -> subprocess.CompletedProcess[str]:
    """Runs `program` with the environment of this process and `variables`; None takes one away."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FLAGOS_OP_", "COVERAGE"))}
    folder = str(Path(flagos.__file__).resolve().parent.parent)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, environment.get("PYTHONPATH")]))
    for name, value in variables.items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], env=environment, capture_output=True, text=True, timeout=300
    )


def output_of(program: str, **variables: str | None) -> str:
    """What `program` prints; fails with its stderr when it does not end well or says anything there."""
    done = fresh(program, **variables)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def installed() -> bool:
    """Whether PyTorch finds our entry point, so that `import torch` alone loads the device."""
    return any(point.name == "flagos" for point in metadata.entry_points(group="torch.backends"))


def install_entry_points(folder: Path) -> str:
    """A PYTHONPATH under which PyTorch finds our entry points, in a tree that is not installed too."""
    path = os.environ.get("PYTHONPATH", "")
    if installed():
        return path
    information = folder / "flagos-0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: flagos\nVersion: 0\n")
    (information / "entry_points.txt").write_text(_ENTRY_POINTS)
    return os.pathsep.join(filter(None, [path, str(folder)]))


def plugin_on_path(folder: Path) -> str:
    """A folder for PYTHONPATH by which LightX2V finds our entry point; "" where the package is installed."""
    if any(point.name == "flagos" for point in metadata.entry_points(group="lightx2v.platform_plugins")):
        return ""
    information = folder / "lightx2v_fl-0.dist-info"
    information.mkdir(exist_ok=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: lightx2v_fl\nVersion: 0\n")
    (information / "entry_points.txt").write_text("[lightx2v.platform_plugins]\nflagos = lightx2v_fl:register\n")
    return str(folder)
