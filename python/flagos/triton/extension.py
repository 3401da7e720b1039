"""The extension module _flagos_launcher, which lies beside libflagos.so: one binary for every Python."""

from __future__ import annotations

from functools import cache
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

from flagos import libraries

_NAME = "_flagos_launcher"


@cache
def module() -> ModuleType:
    """Loaded once. Raises ImportError with the place where it is not."""
    path = libraries.folder() / f"{_NAME}.abi3.so"
    if not path.is_file():
        raise ImportError(f"flagos: {path} is missing: reinstall flagos, or build it (ninja flagos_launcher)")
    spec = spec_from_file_location(_NAME, path, loader=ExtensionFileLoader(_NAME, str(path)))
    loaded = module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded
