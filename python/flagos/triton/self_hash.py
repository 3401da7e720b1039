"""The key under which Triton caches kernels, without hashing Triton's own files in each process.

`triton.runtime.cache.triton_key` reads all of libtriton.so and every .py of the package: 0.4 to 1.1 s at the first
compile of each process. It has no seam, so it is replaced here, in the two modules that hold it, when our backend is
first used. The key made instead changes when Triton changes: it holds what the installer recorded of each file
(RECORD: SHA-256), and size and time of change of each file as it is now, which an edit of an installed file moves.
Where the installer left no record (a source tree) Triton's own function stays.

To be removed when Triton computes its key from a version or a build id, or takes one from the environment.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
from pathlib import Path

import triton


def install() -> None:
    """Puts the quick key in place of Triton's; again does nothing."""
    from triton.runtime import autotuner, cache

    if recorded_key() is None:
        return
    for module in (cache, autotuner):
        if module.triton_key is not recorded_key:
            module.triton_key = recorded_key


@functools.cache
def recorded_key() -> str | None:
    """A key of the installed Triton, None where its files are not on record."""
    try:
        record = importlib.metadata.distribution("triton").read_text("RECORD")
    except importlib.metadata.PackageNotFoundError:
        record = None
    if not record:
        return None
    package = Path(triton.__file__).parent
    digest = hashlib.sha256(record.encode())
    for folder in ("compiler", "backends", "language", "runtime", "_C"):
        for entry in _files(package / folder):
            status = entry.stat()
            digest.update(f"{entry.path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return f"{triton.__version__}-recorded-{digest.hexdigest()}"


def _files(folder: Path) -> list[os.DirEntry[str]]:
    """The modules and libraries below a folder, in the order of their names."""
    found: list[os.DirEntry[str]] = []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir():
                if entry.name not in ("__pycache__", "include"):
                    found += _files(Path(entry.path))
            elif entry.name.endswith((".py", ".so", ".bc")):
                found.append(entry)
    return found
