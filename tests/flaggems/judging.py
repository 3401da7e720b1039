"""Which of FlagGems' own cases can be judged on this device, and what the others lack.

A case is excluded for a reason of FlagGems, of its tests or of PyTorch alone, never because of what our compiler
refuses or gets wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Exclusion:
    """Cases whose id and error both match are not judged."""

    cases: str  # a regular expression, searched in "tests/test_x.py::test_y[params]"
    error: str  # searched in "TypeError: text"
    reason: str

    def matches(self, case: str, error: str) -> bool:
        return bool(re.search(self.cases, case) and re.search(self.error, error))


EXCLUSIONS = (
    Exclusion(
        r"test_addmv", r"addmv input tensors must have the same dtype", "the test asks PyTorch's CPU for mixed dtypes"
    ),
    Exclusion(r"", r"Torch not compiled with CUDA enabled", "the test makes tensors of another vendor's device"),
    Exclusion(r"test_flash_mla\[", r"backend_not_support\(\)", "FlagGems has blocks of it for named GPUs alone"),
    Exclusion(r"test_one_hot$", r"DID NOT RAISE", "the test expects FlagGems to hand this device's calls to PyTorch"),
    Exclusion(r"test_only_enable_default", r"arch_name", "FlagGems reads what it sets for vendors with architectures"),
    Exclusion(r"test_heuristics_for_num_warps", r"", "the test holds for the warps of other vendors"),
    Exclusion(r"test_dynamic_function_with_multithread", r"AST constructor", "Python 3.11 parses in one thread alone"),
    Exclusion(
        r"",
        r"^no compiled kernel was launched$",
        "the case calls no overload that FlagGems registers",
    ),
)


def excluded(case: str, error: str) -> str | None:
    """Why the case cannot be judged; None when it can."""
    return next((row.reason for row in EXCLUSIONS if row.matches(case, error)), None)
