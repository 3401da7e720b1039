"""The environment table as text and as the page docs/environment.md."""

from __future__ import annotations

from collections.abc import Iterable

from flagos.core import Variable

_HEADER = """# Environment variables

Made from the table in `src/base/env_table.cc` by `flagos doctor --env --markdown`; a test says that it is current.
Variables are read at the first use of the device. An unknown `FLAGOS_*` variable warns once, with a suggestion.

| variable | type | default | what it does |
|---|---|---|---|
"""


def allowed(variable: Variable) -> str:
    """The type, and what is allowed of it: "int 1..64", "word philox|cpu"."""
    return f"{variable.type} {variable.values}" if variable.values else variable.type


def as_markdown(table: Iterable[Variable]) -> str:
    """The page."""
    rows = [
        f"| `{v.name}` | {allowed(v).replace('|', ' or ')} | {f'`{v.default}`' if v.default else ''} "
        f"| {v.help.replace('|', chr(92) + '|')} |\n"
        for v in table
    ]
    return _HEADER + "".join(rows)


def as_text(table: Iterable[Variable]) -> str:
    """For a terminal: each variable with what is in force."""
    lines = []
    for variable in table:
        state = f"set to {variable.value}" if variable.value is not None else f"default {variable.default or 'none'}"
        lines.append(f"{variable.name}  ({allowed(variable)}; {state})\n    {variable.help}\n")
    return "".join(lines)
