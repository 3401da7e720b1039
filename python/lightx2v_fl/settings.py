"""The plugin's environment variables, read through the one table of flagos (src/base/env_table.cc)."""

from __future__ import annotations

from flagos import core

_OFF = frozenset(("", "0", "off", "false", "no"))


def flag(name: str) -> bool:
    """Whether a variable of type flag is on. ValueError for a value that is no flag."""
    return (core.variable(name) or "").lower() not in _OFF


def words(name: str) -> tuple[str, ...]:
    """The parts of a variable of type list, stripped; () when unset."""
    return tuple(word for part in (core.variable(name) or "").split(",") if (word := part.strip()))
