"""Which flag_gems package there is, and what it offers, without importing it."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flagos import core

#: The versions whose insides amendments.py was run against.
SERVED = ("5.0.2",)
#: The vendor that FlagGems is told, and that GEMS_VENDOR may name.
VENDOR = "flagos"

_FULL_CONFIG = re.compile(r"^_FULL_CONFIG = \((.*?)^\)", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(r'^\s*\(\s*"([\w.]+)",', re.MULTILINE)
_VERSION = re.compile(r'^__version__ = "([^"]+)"', re.MULTILINE)


@dataclass(frozen=True)
class Package:
    """A flag_gems that this process would import."""

    folder: Path
    version: str
    entries: tuple[str, ...]  # the operators that it registers, as conf files name them


def source_folder() -> Path | None:
    """The folder of FLAGGEMS_SOURCE_DIR; it may also be the one that holds the package, or a checkout's root."""
    named = core.variable("FLAGGEMS_SOURCE_DIR")
    if not named:
        return None
    at = Path(named)
    return next((p for p in (at, at / "flag_gems", at / "src" / "flag_gems") if (p / "runtime").is_dir()), at)


def _installed_folder() -> Path | None:
    spec = importlib.machinery.PathFinder.find_spec("flag_gems")
    return Path(spec.origin).parent if spec is not None and spec.origin else None


@cache
def find() -> Package | str:
    """The package, or one sentence that says why FlagGems cannot serve here and what to do."""
    if core.flag("FLAGOS_DISABLE_FLAGGEMS_PY"):
        return "FLAGOS_DISABLE_FLAGGEMS_PY=1 turns it off; unset it"
    # FlagGems reads this name by itself; core's table only tells its value.
    vendor = os.environ.get("GEMS_VENDOR") or VENDOR
    if vendor != VENDOR:
        return f"GEMS_VENDOR={vendor} makes FlagGems serve another device; unset it"
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed; pip install --no-deps triton==3.6.0"
    folder = source_folder() or _installed_folder()
    if folder is None:
        return "flag_gems is not installed; pip install --no-deps flag_gems==5.0.2 sqlalchemy packaging pyyaml"
    try:
        text = (folder / "__init__.py").read_text(encoding="utf-8")
    except OSError as error:
        return f"flag_gems cannot be read: {error}; name its folder in FLAGGEMS_SOURCE_DIR or install it"
    version, listed = _VERSION.search(text), _FULL_CONFIG.search(text)
    if version is None or version[1] not in SERVED or listed is None:
        found = version[1] if version else "unknown"
        return f"flag_gems {found} in {folder} is not a version that flagos serves ({', '.join(SERVED)}); install one"
    for need in ("sqlalchemy", "yaml", "packaging"):
        if importlib.util.find_spec(need) is None:
            return f"flag_gems needs {need}, which is not installed; pip install {need}"
    return Package(folder, version[1], tuple(dict.fromkeys(_ENTRY.findall(listed[1]))))
