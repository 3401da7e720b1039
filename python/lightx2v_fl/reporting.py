"""What each operator of the plugin runs on, and why: said once in the log, and readable at any time.

>>> print(lightx2v_fl.report())
flagos_flash_attn  native     240 calls  the host's own kernels (x86-64-v4)
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from lightx2v_fl import journal


@dataclass
class Supply:
    """How often a supplier served an operator, and why the suppliers before it did not."""

    operator: str
    kernels: str
    calls: int = 0
    fallbacks: int = 0  # of the calls: those that a supplier before had refused or failed
    why: str = ""
    passed_over: dict[str, str] = field(default_factory=dict)  # supplier -> the reason that it gave first

    def __str__(self) -> str:
        reasons = "".join(f"; not {kernels}: {why}" for kernels, why in self.passed_over.items())
        counts = f"{self.calls:8} calls  {self.fallbacks:4} fallen back"
        return f"{self.operator:18} {self.kernels:8} {counts}  {self.why}{reasons}"


class Report(tuple[Supply, ...]):
    """The supplies so far; prints as a table."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self)) if self else "no operator of lightx2v_fl has run"


_supplies: dict[tuple[str, str], Supply] = {}
_lock = threading.Lock()


def report() -> Report:
    """Which kernels served which operator, since the process began or clear() was called."""
    with _lock:
        return Report(_supplies.values())


def clear() -> None:
    """Forgets the counts; the next call of each operator is told in the log again."""
    with _lock:
        _supplies.clear()


def count(operator: str, kernels: str, why: str, passed_over: dict[str, str], fallback: bool = False) -> None:
    """Counts one call of `operator` on `kernels`, after those in `passed_over` gave their reasons. The first call is
    told, and the first one that fell back from a supplier that is there is told as a warning."""
    supply = _supplies.get((operator, kernels))
    if supply is None or (fallback and not supply.fallbacks):
        with _lock:
            supply = _supplies.setdefault((operator, kernels), Supply(operator, kernels, why=why))
            supply.passed_over |= passed_over
        told = f"lightx2v_fl: {operator} runs on {kernels}: {why}"
        told += "".join(f"; not on {other}: {reason}" for other, reason in passed_over.items())
        (journal.warning if fallback else journal.info)(told)
    supply.fallbacks += fallback
    supply.calls += 1
