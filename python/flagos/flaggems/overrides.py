"""Functions that FlagGems takes from its vendor in place of its own, by name: its own mechanism, used rarely.

Each says what is wrong with the original on this device or in this version, and when it may go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FUNCTIONS: dict[str, Callable[..., Any]] = {}
