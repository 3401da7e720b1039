"""The runner itself: what it must notice, so that a green run means something. Nothing here needs the device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from .__main__ import SUITES, TIERS, cases, main
from .case import Case, Failure, Outcome
from .comparison import Comparison, Tolerance
from .expectations import Expectations, judge
from .placement import Placement
from .pool import Pool

EXACT = Comparison(torch.device("cpu"), {})
CLOSE = Comparison(torch.device("cpu"), {"float32": Tolerance(1e-3, 1e-3)})


# ---- Comparison ----
@pytest.mark.parametrize(
    ("expected", "actual", "word"),
    [
        (torch.ones(2), torch.tensor([1.0, 1.1]), "1 of 2 elements differ"),
        (torch.zeros(2), -torch.zeros(2), "sign of a zero"),
        (torch.ones(2, 3), torch.ones(3, 2).t(), "stride"),
        (torch.ones(2), torch.ones(3), "shape"),
        (torch.ones(2), torch.ones(2, dtype=torch.float64), "dtype"),
        (torch.ones(2), torch.ones(2).requires_grad_(), "requires_grad"),
        (torch.ones(2, dtype=torch.complex64), torch.ones(2, dtype=torch.complex64).conj(), "is_conj"),
        ([torch.ones(2)], [torch.ones(2), torch.ones(2)], "sequence of 1"),
        (torch.ones(2), 1.0, "a tensor was expected"),
        ({"a": 1}, {"b": 1}, "dict"),
        (True, False, "was expected"),
    ],
)
def test_comparison_names_what_differs(expected: Any, actual: Any, word: str) -> None:
    assert word in EXACT.difference(expected, actual, placed=False)


def test_comparison_accepts_equal_bits_and_tolerated_rounding() -> None:
    nan = torch.tensor([float("nan"), 1.0])
    assert EXACT.difference(nan, nan.clone(), placed=False) is None
    assert CLOSE.difference(torch.ones(2), torch.ones(2) + 1e-4, placed=False) is None
    assert "is allowed" in CLOSE.difference(torch.ones(2), torch.ones(2) + 1e-2, placed=False)


def test_comparison_refuses_a_result_on_the_wrong_device() -> None:
    meta = Comparison(torch.device("meta"), {})
    assert "not on meta" in meta.difference(torch.ones(2), torch.ones(2), placed=True)


def test_integers_have_no_tolerance() -> None:
    wide = Comparison(torch.device("cpu"), {"int64": Tolerance(1, 1)})
    assert wide.difference(torch.tensor([1]), torch.tensor([2]), placed=False) is not None


# ---- Placement ----
def test_placement_keeps_strides_offset_and_hidden_storage() -> None:
    base = torch.arange(24.0).view(4, 6)
    moved = Placement("cpu")(base[1:, ::2])
    assert (moved.stride(), moved.storage_offset(), moved.untyped_storage().nbytes()) == ((6, 2), 6, 96)
    assert moved.data_ptr() != base[1:, ::2].data_ptr()
    assert torch.equal(moved, base[1:, ::2])


def test_placement_keeps_sharing_and_identity() -> None:
    base = torch.zeros(6)
    left, right, again = Placement("cpu")([base[:4], base[2:], base[:4]])
    assert left.untyped_storage().data_ptr() == right.untyped_storage().data_ptr() == again.untyped_storage().data_ptr()
    same = Placement("cpu")([base, base])
    assert same[0] is same[1]


def test_placement_keeps_conj_neg_and_requires_grad() -> None:
    value = torch.tensor([1 + 2j])
    assert Placement("cpu")(value.conj()).is_conj()
    assert Placement("cpu")(value.conj().imag).is_neg()
    assert Placement("cpu")(torch.ones(1).requires_grad_()).requires_grad


def test_placement_rewrites_devices() -> None:
    to = Placement("meta")
    assert to({"device": "cpu", "mode": "cpux"}) == {"device": "meta", "mode": "cpux"}
    assert to(torch.device("cpu")) == torch.device("meta")
    assert to.moved_something


# ---- The pool ----
_ECHO = """
import json, os, sys, time
open(sys.argv[2], "w").write("at " + "the third stage")
for line in sys.stdin:
    case = json.loads(line)
    if case["name"] == "crash": os.kill(os.getpid(), 11)
    if case["name"] == "hang": time.sleep(1000)
    if case["name"] == "raise": raise SystemError("broken inside")
    print(json.dumps({"case": case, "samples": 1, "failures": []}), flush=True)
"""


def test_pool_goes_on_after_crash_hang_and_error() -> None:
    names = ["a", "crash", "b", "hang", "c", "raise", "d"]
    pool = Pool(["-c", _ECHO], {}, workers=2, limit_s=2)
    outcomes = {outcome.case.name: outcome for outcome in pool.run(Case("operators", name) for name in names)}
    assert sorted(outcomes) == sorted(names)
    found = {name: outcome.failures[0].what for name, outcome in outcomes.items() if outcome.failures}
    assert sorted(found) == ["crash", "hang", "raise"]
    assert found["crash"] == "crash (SIGSEGV) at at the third stage"
    assert found["hang"].startswith("hang: no answer in 2 s")
    assert "SystemError: broken inside" in found["raise"]


def test_pool_says_why_no_worker_starts() -> None:
    pool = Pool(["-c", "raise ImportError('no such device')"], {}, workers=2, limit_s=5)
    with pytest.raises(RuntimeError, match="no such device"):
        list(pool.run([Case("operators", "a")]))


# ---- The verdict ----
def _expectations(tmp_path: Path, **changes: Any) -> Expectations:
    table = {
        "modes": {"m": {"device": "cpu", "environment": {}, "same_randoms": True, "tolerances": "none"}},
        "tolerances": {"none": {}},
        "exceptions": [],
        "metadata_only": [],
        "stays_on_cpu": [],
        "floors": {},
        **changes,
    }
    path = tmp_path / "table.json"
    path.write_text(json.dumps(table))
    return Expectations.of("m", path)


def _outcome(name: str, failed: bool = False) -> Outcome:
    failures = [Failure(0, "forward", "differs")] if failed else []
    return Outcome(Case("operators", name), samples=2, failures=failures)


EXPECTED_FAILURE = [{"modes": ["m"], "names": ["bad"], "fails": True, "reason": "known"}]


def test_a_failure_is_a_problem_unless_the_table_names_it(tmp_path: Path) -> None:
    outcomes = [_outcome("good"), _outcome("bad", failed=True)]
    assert not judge(_expectations(tmp_path), "ci", outcomes, whole=True).passed
    verdict = judge(_expectations(tmp_path, exceptions=EXPECTED_FAILURE), "ci", outcomes, whole=True)
    assert verdict.passed
    assert verdict.counts == {"operators": 1, "samples": 3}


def test_an_exception_that_no_longer_happens_is_a_problem(tmp_path: Path) -> None:
    expectations = _expectations(tmp_path, exceptions=EXPECTED_FAILURE)
    assert "take it out" in judge(expectations, "ci", [_outcome("bad")], whole=True).problems[0]
    assert "not in the database" in judge(expectations, "ci", [_outcome("good")], whole=True).problems[0]
    assert judge(expectations, "ci", [_outcome("good")], whole=False).passed


def test_a_shrinking_count_is_a_problem(tmp_path: Path) -> None:
    expectations = _expectations(tmp_path, floors={"m": {"ci": {"operators": 2, "samples": 4}}})
    assert judge(expectations, "ci", [_outcome("a"), _outcome("b")], whole=True).passed
    problems = judge(expectations, "ci", [_outcome("a")], whole=True).problems
    assert [problem.split(",")[0] for problem in problems] == ["1 operators pass", "2 samples pass"]


def test_kernels_that_copied_nothing_are_a_problem(tmp_path: Path) -> None:
    outcome = _outcome("a")
    outcome.uncounted = ["add.Tensor"]
    assert "copied no byte" in judge(_expectations(tmp_path), "ci", [outcome], whole=True).problems[0]
    outcome.case = Case("operators", "a", limit=2)  # two samples may both be empty
    assert judge(_expectations(tmp_path), "slice", [outcome], whole=False).passed


# ---- The program ----
def test_cases_cover_the_databases() -> None:
    names = {suite: {case.name for case in cases(TIERS["ci"], [suite], [])} for suite in SUITES}
    assert len(SUITES["operators"].by_name()) >= 702
    assert len(names["operators"]) >= 699  # the others have no dtype on the CPU
    assert len(names["modules"]) >= 114
    assert len(names["optimizers"]) >= 15
    assert len(cases(TIERS["full"], ["operators"], [])) > 6000


def test_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--mode", "self", "no_such_operator"]) == 2
    assert "no_such_operator" in capsys.readouterr().err


def test_the_cpu_agrees_with_itself(tmp_path: Path) -> None:
    written = tmp_path / "out.json"
    names = ["add", "linalg.svd", "bernoulli", "unique", "nn.Linear", "AdamW"]
    assert main(["--mode", "self", "--tier", "slice", "--jobs", "1", "--json", str(written), *names]) == 0
    (run,) = json.loads(written.read_text())
    assert run["passed"]
    assert run["counts"]["operators"] == 4
    stages = {stage for case in run["cases"] for stage in case["stages"]}
    assert stages == {"forward", "gradient", "out", "out_empty", "in_place", "noncontiguous"}
