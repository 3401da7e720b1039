"""Turns "line 12, column 8" of a kernel's tile IR into the file and line of the kernel's Python source."""

from __future__ import annotations

import re
from functools import cached_property

from flagos.triton.native import CompileError

_PLACE = re.compile(r"line (\d+), column \d+: (.*)", re.DOTALL)
_DEFINITION = re.compile(r"^(#loc\d*) = loc\((.*)\)$")
_FILE = re.compile(r'"([^"]+)":(\d+):\d+')
_REFERENCE = re.compile(r"#loc\d*")


class Locations:
    """Where the operations of a module were written, by line of its text without locations.

    The text with locations has the same operations in the same order as the one without, and its locations are defined
    on lines of their own.
    """

    def __init__(self, text_with_locations: str) -> None:
        self._text = text_with_locations

    @cached_property
    def _parts(self) -> tuple[list[str], dict[str, str]]:
        definitions: dict[str, str] = {}
        lines: list[str] = []
        for line in self._text.splitlines():
            definition = _DEFINITION.match(line)
            if definition:
                definitions[definition[1]] = definition[2]
            else:
                lines.append(line)
        return lines, definitions

    def place(self, number: int) -> str | None:
        """ "kernel.py:12" for a line of the text without locations, None where the module does not say."""
        lines, definitions = self._parts
        if not 1 <= number <= len(lines):
            return None
        line = lines[number - 1]
        references = _REFERENCE.findall(line.rsplit("loc(", 1)[-1]) if "loc(" in line else []
        while references:
            definition = definitions.get(references.pop(0), "")
            found = _FILE.search(definition)
            if found:
                return f"{found[1]}:{found[2]}"
            references.extend(_REFERENCE.findall(definition))
        return None


def explain_failure(error: CompileError, kernel: str, locations: Locations) -> CompileError:
    """The same failure with the kernel's name, and its own file and line when its tile IR says them."""
    match = _PLACE.match(str(error))
    place = locations.place(int(match[1])) if match else None
    return CompileError(f"{place}: kernel '{kernel}': {match[2]}" if match and place else f"kernel '{kernel}': {error}")
