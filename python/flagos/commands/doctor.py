"""Tells what this machine has and what flagos makes of it: versions, drivers, devices, the conf in force, variables.

Exit status 1 when the device cannot be used, with the reason; 0 otherwise.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from flagos import __version__, autoload, core, environment, libraries

NAME = "doctor"
HELP = "what this machine has, and why the rest is absent"

_PACKAGES = ("torch", "triton", "flag_gems", "transformers", "accelerate", "safetensors", "numpy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--env", action="store_true", help="only the environment variables")
    parser.add_argument("--markdown", action="store_true", help="with --env: as docs/environment.md")
    parser.add_argument("--json", action="store_true", help="for machines")


def run(arguments: argparse.Namespace) -> int:
    if arguments.markdown and not arguments.env:
        raise ValueError("--markdown is for --env")
    if arguments.env:
        table = core.environment()
        if arguments.json:
            print(json.dumps([variable._asdict() for variable in table], indent=2))
        else:
            print(environment.as_markdown(table) if arguments.markdown else environment.as_text(table), end="")
        return 0
    findings = examine()
    print(json.dumps(findings, indent=2) if arguments.json else _as_text(findings))
    return 1 if findings["problems"] else 0


def examine() -> dict[str, Any]:
    """Everything that doctor tells. A part that fails is listed under "problems" and does not hide the others."""
    problems: list[str] = []
    findings: dict[str, Any] = {
        "flagos": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    findings["packages"] = {name: version_of(name) for name in _PACKAGES}
    findings["cpu"] = cpu()
    findings.update(libraries=None, drivers=[], devices=[], conf=[], targets=[], environment=[])
    try:
        findings["libraries"] = {"folder": str(libraries.folder()), "torch": sorted(libraries.built_for())}
        findings["core"] = core.version()
        findings["environment"] = [v._asdict() for v in core.environment() if v.value is not None]
    except (ImportError, OSError) as error:
        problems.append(str(error))
    else:
        _examine_devices(findings, problems)
    findings["problems"] = problems
    return findings


def _examine_devices(findings: dict[str, Any], problems: list[str]) -> None:
    try:
        findings["drivers"] = [driver._asdict() for driver in core.drivers()]
        if core.device_count() == 0:
            problems.append("no driver has a device; the drivers' reasons stand above")
    except (ValueError, NotImplementedError, RuntimeError, MemoryError) as error:
        problems.append(str(error))
        return
    try:
        import torch_fl
    except ImportError as error:
        problems.append(str(error))
        return
    if autoload.error is not None:
        problems.append(f"import torch did not register the device: {autoload.error}")
    findings["devices"] = [
        {**p._asdict(), "capabilities": sorted(p.capabilities)}
        for p in map(torch_fl.flagos.get_device_properties, range(torch_fl.flagos.device_count()))
    ]
    try:
        findings["conf"] = torch_fl.routing.conf_files()
        findings["targets"] = [{"name": t.name, "absent": t.absent} for t in torch_fl.routing.targets()]
    except (ValueError, NotImplementedError, RuntimeError) as error:
        problems.append(str(error))


def version_of(package: str) -> str | None:
    """The installed version; None where the package is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def cpu() -> dict[str, Any]:
    """The processor's name and those of its features that kernels choose by."""
    # What kernels can count on; the names are those of the kernel's own list.
    interesting = (
        "sse4_2",
        "avx",
        "avx2",
        "fma",
        "avx512f",
        "avx512bw",
        "avx512_bf16",
        "avx512_vnni",
        "amx_bf16",
        "amx_int8",
    )
    text = Path("/proc/cpuinfo").read_text() if sys.platform == "linux" else ""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    flags = fields.get("flags", "").split()
    return {"name": fields.get("model name", platform.processor()), "features": [f for f in interesting if f in flags]}


def _as_text(findings: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in findings["packages"].items() if version)
    missing = ", ".join(name for name, version in findings["packages"].items() if not version)
    lines = [
        f"flagos {findings['flagos']}, Python {findings['python']}, {findings['platform']}",
        f"packages    {packages}" + (f" (not installed: {missing})" if missing else ""),
        f"processor   {findings['cpu']['name']}: {' '.join(findings['cpu']['features'])}",
    ]
    if findings["libraries"]:
        lines.append(
            f"libraries   {findings['libraries']['folder']}, for torch {', '.join(findings['libraries']['torch'])}"
        )
    lines.append("drivers")
    for driver in findings["drivers"]:
        state = (
            f"{driver['devices']} devices" if driver["status"] == "ok" else f"{driver['status']}: {driver['reason']}"
        )
        selected = ", in use" if driver["selected"] else ""
        lines.append(f"  {driver['name']:10} {driver['version'] or '':12} {state}{selected} ({driver['origin']})")
    lines.append("devices")
    for index, device in enumerate(findings["devices"]):
        lines.append(
            f"  flagos:{index}   {device['name']}, {device['arch']}, {device['total_memory'] / 2**30:.1f} GiB, "
            f"driver {device['driver']}"
        )
    lines.append(
        "conf        " + (", ".join(findings["conf"]) or "none: every operator takes its driver's default chain")
    )
    lines.append("targets")
    for target in findings["targets"]:
        lines.append(f"  {target['name']:14} {'absent: ' + target['absent'] if target['absent'] else 'present'}")
    lines.append(
        "variables   " + (" ".join(f"{v['name']}={v['value']}" for v in findings["environment"]) or "none is set")
    )
    lines += [f"PROBLEM     {problem}" for problem in findings["problems"]]
    return "\n".join(lines)
