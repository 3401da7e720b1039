"""What is run and what came of it: the two messages between the program and its worker processes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """One entry of a database with one dtype. `limit`: at most so many samples; None for all."""

    suite: str  # "operators", "modules" or "optimizers"
    name: str
    dtype: str = "float32"
    limit: int | None = None

    def __str__(self) -> str:
        return f"{self.name} [{self.dtype}]"


@dataclass
class Failure:
    sample: int
    stage: str
    what: str
    summary: str = ""


def describe(error: Exception) -> str:
    """The class and first sentence or so of an error; PyTorch appends pages to some."""
    first = (str(error).strip() or "no text").splitlines()[0]
    return f"{type(error).__name__}: {first[:300]}"


@dataclass
class Outcome:
    """`samples`: accepted by the CPU and so compared; `refused`: those that the CPU itself does not take."""

    case: Case
    samples: int = 0
    refused: int = 0
    stages: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0
    kernels: int = 0  # calls of routed kernels and bytes copied between host and device, where the ledger was asked
    copied_bytes: int = 0
    uncounted: list[str] = field(default_factory=list)  # operators that ran on the host without a copied byte

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(fields: dict[str, Any]) -> Outcome:
        case, failures = Case(**fields.pop("case")), [Failure(**item) for item in fields.pop("failures")]
        return Outcome(case=case, failures=failures, **fields)
