"""Turns "line 12, column 8" of a kernel's tile IR into the file and line of the kernel's Python source."""

from __future__ import annotations

import re

from flagos.triton.native import CompileError

_PLACE = re.compile(r"line (\d+), column \d+: (.*)", re.DOTALL)
_DEFINITION = re.compile(r"^(#loc\d*) = loc\((.*)\)$")
_FILE = re.compile(r'"([^"]+)":(\d+):\d+')
_REFERENCE = re.compile(r"#loc\d*")


def explain_failure(error: CompileError, kernel: str, text_with_locations: str) -> CompileError:
    """The same failure with the kernel's own file and line, when its tile IR says them.

    The text with locations has the same operations in the same order as the one without, and its locations are defined
    on lines of their own.
    """
    match = _PLACE.match(str(error))
    if match is None:
        return error
    definitions: dict[str, str] = {}
    lines: list[str] = []
    for line in text_with_locations.splitlines():
        definition = _DEFINITION.match(line)
        if definition:
            definitions[definition[1]] = definition[2]
        else:
            lines.append(line)
    number = int(match[1])
    if not 1 <= number <= len(lines):
        return error
    place = _source_of(lines[number - 1], definitions)
    return CompileError(f"{place}: kernel '{kernel}': {match[2]}" if place else f"kernel '{kernel}': {error}")


def _source_of(line: str, definitions: dict[str, str]) -> str | None:
    references = _REFERENCE.findall(line.rsplit("loc(", 1)[-1]) if "loc(" in line else []
    while references:
        definition = definitions.get(references.pop(0), "")
        found = _FILE.search(definition)
        if found:
            return f"{found[1]}:{found[2]}"
        references.extend(_REFERENCE.findall(definition))
    return None
