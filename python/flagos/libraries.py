"""Where libflagos.so and libtorch_fl-<torch minor>.so lie. Nothing is loaded here."""

from __future__ import annotations

import contextlib
import os
import re
from importlib import metadata
from pathlib import Path

CORE = "libflagos.so"
_PLUGIN = re.compile(r"libtorch_fl-(\d+\.\d+)\.so")


class LibraryNotFound(ImportError):
    """A library of flagos is missing; the text says where it was looked for and what mends it."""


def _candidates() -> list[Path]:
    # The one environment variable that Python reads itself: the table that declares it is inside the library it names.
    named = os.environ.get("FLAGOS_LIBRARY_DIR")
    if named:
        return [Path(named)]
    folders = [Path(__file__).resolve().parent.parent / "torch_fl" / "lib"]
    # In an editable install the Python files stay in the source tree and the libraries are installed.
    with contextlib.suppress(metadata.PackageNotFoundError):  # not installed: running from a source tree
        folders.append(Path(str(metadata.distribution("flagos").locate_file("torch_fl/lib"))))
    return folders


def folder() -> Path:
    """The folder that holds libflagos.so.

    Looked for in FLAGOS_LIBRARY_DIR when that is set, else beside the package, else where the distribution `flagos` is
    installed. Raises LibraryNotFound with the places when it is in none of them.
    """
    candidates = _candidates()
    for candidate in candidates:
        if (candidate / CORE).is_file():
            return candidate
    places = ", ".join(str(candidate) for candidate in candidates)
    raise LibraryNotFound(
        f"flagos: {CORE} was not found in {places}; install the package (pip install --no-build-isolation .) or point "
        "FLAGOS_LIBRARY_DIR at the lib folder of a build"
    )


def built_for() -> dict[str, Path]:
    """The plugin libraries there are, by the minor version of PyTorch that each was built for, oldest first."""
    found: dict[str, Path] = {}
    for path in folder().iterdir():
        if match := _PLUGIN.fullmatch(path.name):
            found[match[1]] = path
    return dict(sorted(found.items(), key=lambda item: [int(part) for part in item[0].split(".")]))


def plugin(torch_version: str) -> Path:
    """The plugin library for an installed PyTorch, such as "2.13.0+cpu"; LibraryNotFound names those there are."""
    minor = ".".join(torch_version.split(".")[:2])
    libraries = built_for()
    if minor not in libraries:
        known = ", ".join(libraries) or "no version at all"
        raise LibraryNotFound(
            f"flagos: this installation serves torch {known}, but torch {torch_version} is installed; install a torch "
            "that is served, or rebuild flagos with this one (pip install --no-build-isolation .)"
        )
    return libraries[minor]
