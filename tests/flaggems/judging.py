"""Verdicts on FlagGems' own cases: which can be judged on this device, what the others lack, and the figures.

A case is excluded for a reason of FlagGems, of its tests or of PyTorch alone, never because of what our compiler
refuses or gets wrong. A case that passed its assertions and launched no compiled kernel counts as failed, operands
without elements included, unless a row here says that it calls nothing that FlagGems registers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

NO_LAUNCH = "no compiled kernel was launched"


@dataclass(frozen=True)
class Case:
    """How a case ended."""

    name: str
    verdict: str  # "passed", "failed", "excluded" or "skipped"
    why: str
    where: tuple[str, ...] = ()


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
    Exclusion(r"test_one_hot$", r"DID NOT RAISE", "the test expects FlagGems to hand this device's calls to PyTorch"),
    Exclusion(r"test_only_enable_default", r"arch_name", "FlagGems reads what it sets for vendors with architectures"),
    Exclusion(r"test_heuristics_for_num_warps", r"", "the test holds for the warps of other vendors"),
    Exclusion(r"test_dynamic_function_with_multithread", r"AST constructor", "Python 3.11 parses in one thread alone"),
    Exclusion(
        r"test_arange\[(False|None)-flagos-dtype2-",
        r"Tensor-likes are not equal",
        "PyTorch's CPU rounds bfloat16 twice in arange; FlagGems' numbers are exact (test_judging.py)",
    ),
    Exclusion(
        r"test_flash_attn_varlen_func\[(False|True)-2048-10\.0-False-dtype1-None-32-256-num_heads1-",
        r"AssertionError: 0\.02\d*$",
        "the test's reference rounds every step to bfloat16 and leaves its own tolerance; FlagGems' numbers keep it "
        "(test_judging.py)",
    ),
    Exclusion(
        r"test_flash_attention",
        r"PyTorch has no CPU kernel for _flash_attention_forward",
        "the test's reference is PyTorch's own flash attention on the device, which the CPU has not",
    ),
    Exclusion(
        r"test_trace\[", r'"trace" not implemented for .Bool.', "the test's reference is PyTorch's trace of booleans"
    ),
    Exclusion(r"test_round_decimals", rf"^{NO_LAUNCH} by _to_copy$", "FlagGems registers no round.decimals"),
    # Cases without a launch that call nothing that FlagGems registers.
    *(
        Exclusion(cases, rf"^{NO_LAUNCH}$", f"FlagGems registers no such operator: {why}")
        for cases, why in (
            (r"test_(add|div|floor_divide|mul|sub|trunc_divide)_scalar_scalar", "both operands are numbers"),
            (r"test_(arange|linspace)\[(False|None)-None-", "the test makes CPU tensors"),
            (r"test_flash_attn_varlen_func\[.*-(10|50)\.0-True-", "the test returns at once"),
            (
                r"test_function_schema_|test_c_contiguous_|test_f_contiguous_|test_(ordered_)?stride_",
                "a class is tested, which has no kernel",
            ),
            (r"test_hash_|test_libcache_|test_threadsafety", "FlagGems' store of tuned configurations is tested"),
            (r"test_bitwise_(left|right)_shift", "PyTorch has no bitwise_left_shift or _right_shift without overload"),
            (r"test_copysign\[", "PyTorch has no copysign without overload"),
            (r"test_clamp_min_?\[", "the test calls clamp_min.Tensor"),
            (r"test_addcmul_out_broadcast", "the test calls addcmul.out"),
            (r"test_accuracy_contiguous", "contiguous is commented out of its list"),
            (r"test_fla_utils_input_guard", "a decorator is tested, which has no kernel"),
        )
    ),
)


def excluded(case: str, error: str) -> str | None:
    """Why the case cannot be judged; None when it can."""
    return next((row.reason for row in EXCLUSIONS if row.matches(case, error)), None)


def judge(record: Mapping[str, Any]) -> Case:
    """The verdict on a record of the plugin."""
    name, error, where = record["case"], record["error"], tuple(record["where"])
    if record["outcome"] == "skipped":
        return Case(name, "skipped", error)
    if record["outcome"] == "passed" and record["launches"] > 0:
        return Case(name, "passed", "")
    if record["outcome"] == "failed":
        why = error
    elif record["reached"]:
        why = f"{NO_LAUNCH} by {', '.join(record['reached'])}"
    else:
        why = NO_LAUNCH
    reason = excluded(name, why)
    return Case(name, "excluded" if reason else "failed", reason or why, where)


def judge_all(records: Sequence[Mapping[str, Any]]) -> list[Case]:
    return [judge(record) for record in records]


@dataclass(frozen=True)
class Report:
    """The figures of a run."""

    cases: int
    judged: int
    passed: int
    failed: int
    excluded: int
    skipped: int
    revisions: tuple[str, ...]  # commits and processors that the cases ran at
    unfinished: tuple[str, ...]  # files that were not run to their end
    not_passed: tuple[Case, ...]

    @classmethod
    def of(cls, cases: Sequence[Case], revisions: Sequence[str], unfinished: Sequence[str]) -> Report:
        count = Counter(case.verdict for case in cases)
        return cls(
            len(cases),
            count["passed"] + count["failed"],
            *(count[verdict] for verdict in ("passed", "failed", "excluded", "skipped")),
            tuple(revisions),
            tuple(unfinished),
            tuple(case for case in cases if case.verdict != "passed"),
        )

    @property
    def share(self) -> float:
        """Of the judged cases, those that passed."""
        return self.passed / self.judged if self.judged else 0.0

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "share": self.share}

    def __str__(self) -> str:
        lines = [f"at {revision}" for revision in self.revisions]
        lines += [f"not run to the end: {', '.join(self.unfinished)}"] if self.unfinished else []
        lines.append(
            f"{self.cases} cases: {self.judged} judged, {self.passed} passed ({self.share:.2%}), {self.failed} failed, "
            f"{self.excluded} excluded, {self.skipped} skipped by FlagGems"
        )
        for verdict in ("failed", "excluded", "skipped"):
            kinds = Counter(_kind(case.why) for case in self.not_passed if case.verdict == verdict)
            lines += [f"  {verdict:9}{number:6}  {why}" for why, number in kinds.most_common()]
        return "\n".join(lines)


def _kind(why: str) -> str:
    """Errors of one kind differ in numbers alone."""
    return re.sub(r"0x[0-9a-f]+|\d+", "#", why.split("\n")[0])[:160]
