"""Verdicts on records of FlagGems' own cases, the records on disk, and facts that exclusions rest on."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import torch
from flagos.flaggems import package
from torch_fl import routing

from tests.flaggems import judging, records


def record(case: str, outcome: str = "passed", launches: int = 1, reached: tuple[str, ...] = (), error: str = ""):
    return {
        "case": case,
        "outcome": outcome,
        "launches": launches,
        "reached": list(reached),
        "error": error,
        "where": [],
    }


VARLEN = "tests/test_flash_attn_varlen_func.py::test_flash_attn_varlen_func"


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (record("tests/test_mm.py::test_mm[1]"), "passed"),
        (record("tests/test_mm.py::test_mm[1]", "failed", error="AssertionError: no"), "failed"),
        (record("tests/test_mm.py::test_mm[1]", "skipped", error="Skipped: no GPU"), "skipped"),
        (record("tests/test_cosh.py::test_cosh_empty[1]", launches=0, reached=("cosh",)), "failed"),
        (record("tests/test_copy.py::test_copy_inplace_broadcast", launches=0), "failed"),
        (record("tests/test_linspace.py::test_linspace[False-None-dtype0-1-256-0]", launches=0), "excluded"),
        (record("tests/test_linspace.py::test_linspace[False-flagos-dtype0-1-256-0]", launches=0), "failed"),
        (record("tests/test_round.py::test_round_decimals[1]", launches=0, reached=("_to_copy",)), "excluded"),
        (record("tests/test_round.py::test_round[1]", launches=0, reached=("_to_copy",)), "failed"),
        (
            record(
                f"{VARLEN}[True-2048-10.0-False-dtype1-None-32-256-num_heads1-s]",
                "failed",
                error="AssertionError: 0.0234",
            ),
            "excluded",
        ),
        (
            record(
                f"{VARLEN}[True-2048-10.0-False-dtype1-None-32-256-num_heads1-s]", "failed", error="AssertionError: 0.3"
            ),
            "failed",
        ),
        (
            record(
                f"{VARLEN}[True-2048-10.0-False-dtype0-None-32-256-num_heads1-s]",
                "failed",
                error="AssertionError: 0.02",
            ),
            "failed",
        ),
        (record("tests/test_copysign.py::test_copysign[1]", launches=0), "excluded"),
        (record("tests/test_copysign.py::test_copysign[1]", launches=0, reached=("copysign.out",)), "failed"),
        (record("tests/test_copysign.py::test_copysign[1]", "failed", error="AssertionError: no"), "failed"),
    ],
)
def test_verdict(given: dict, verdict: str) -> None:
    assert judging.judge(given).verdict == verdict


def test_the_share_is_of_what_was_judged() -> None:
    cases = judging.judge_all(
        [
            record("a"),
            record("b"),
            record("c"),
            record("d", "failed", error="RuntimeError: 0x12"),
            record("e", "skipped", error="Skipped: x"),
            record("tests/test_copysign.py::test_copysign[1]", launches=0),
        ]
    )
    report = judging.Report.of(cases, ["0123 on a processor"], ["test_z.py"])
    assert (report.cases, report.judged, report.passed, report.failed) == (6, 4, 3, 1)
    assert (report.excluded, report.skipped, report.share) == (1, 1, 0.75)
    assert "not run to the end: test_z.py" in str(report)
    assert [case["verdict"] for case in report.to_json()["not_passed"]] == ["failed", "skipped", "excluded"]


def test_a_process_that_died_leaves_a_failed_case_and_the_rest_to_run(tmp_path: Path) -> None:
    records.add(tmp_path, "test_a.py", at="0123 on a processor")
    records.add(tmp_path, "test_a.py", begun="one")
    records.add(tmp_path, "test_a.py", **record("one"))
    records.add(tmp_path, "test_a.py", begun="two")
    with records.path_of(tmp_path, "test_a.py").open("a") as file:
        file.write('{"case": "tw')  # killed while it wrote
    with records.path_of(tmp_path, "test_a.py").open("a") as file:
        file.write("\n")
    assert set(records.read(tmp_path, "test_a.py")) == {"one"}
    records.close_open_case(tmp_path, "test_a.py", "the process ended with -11")
    found = {case: line["outcome"] for case, line in records.read(tmp_path, "test_a.py").items()}
    assert found == {"one": "passed", "two": "failed"}
    assert not records.complete(tmp_path, "test_a.py")
    records.mark_complete(tmp_path, "test_a.py")
    assert records.complete(tmp_path, "test_a.py")
    assert records.revisions(tmp_path, ["test_a.py", "test_b.py"]) == ["0123 on a processor"]


def test_a_failure_at_the_end_of_a_case_outweighs_its_call(tmp_path: Path) -> None:
    records.add(tmp_path, "test_a.py", **record("one"))
    records.add(tmp_path, "test_a.py", **record("one", "failed", error="at teardown"))
    assert records.read(tmp_path, "test_a.py")["one"]["outcome"] == "failed"


def test_patterns_compile() -> None:
    for row in judging.EXCLUSIONS:
        re.compile(row.cases)
        re.compile(row.error)


@pytest.mark.flaggems_python
@pytest.mark.skipif(isinstance(package.find(), str), reason=str(package.find()))
@pytest.mark.parametrize(("start", "step"), [(1, 1), (5, 5), (3, 2)])
def test_flaggems_arange_is_exact_in_bfloat16_where_pytorchs_is_not(start: int, step: int) -> None:
    exact = torch.arange(start, 1024, step, dtype=torch.float64).to(torch.bfloat16)
    assert not torch.equal(torch.arange(start, 1024, step, dtype=torch.bfloat16), exact)
    with routing.override("*", "flagos_python, cpu"):
        ours = torch.arange(start, 1024, step, dtype=torch.bfloat16, device="flagos")
    assert torch.equal(ours.cpu(), exact)


@pytest.mark.flaggems_python
@pytest.mark.skipif(isinstance(package.find(), str), reason=str(package.find()))
def test_flaggems_soft_cap_is_nearer_to_the_exact_one_than_a_reference_in_bfloat16() -> None:
    """The case of test_flash_attn_varlen_func that is excluded: its own sizes, its reference step by step."""
    import flag_gems

    queries, keys, cap, scale = [1, 5, 129], [1328, 18, 463], 10.0, 256**-0.5
    with torch.inference_mode(), torch.device("flagos"):
        torch.manual_seed(1234567890)
        query = torch.randn(sum(queries), 8, 256, dtype=torch.bfloat16)
        cache_k, cache_v = torch.randn(2, 2048, 32, 2, 256, dtype=torch.bfloat16)
        table = torch.randint(0, 2048, (3, 42), dtype=torch.int32)
        starts = torch.tensor([0, 1, 6, 135], dtype=torch.int32)
        ours = flag_gems.ops.flash_attn_varlen_func(
            *(query, cache_k, cache_v, max(queries), starts, max(keys)),
            seqused_k=torch.tensor(keys, dtype=torch.int32),
            softmax_scale=scale,
            causal=True,
            block_table=table,
            softcap=cap,
        )

    def reference(dtype: torch.dtype) -> torch.Tensor:
        parts = []
        for q, length, blocks in zip(query.cpu().split(queries), keys, table.cpu(), strict=True):
            k, v = (
                cache.cpu()[blocks].view(-1, 2, 256)[:length].repeat_interleave(4, 1).to(dtype)
                for cache in (cache_k, cache_v)
            )
            scores = cap * torch.tanh(torch.einsum("qhd,khd->hqk", q.to(dtype) * scale, k) / cap)
            later = torch.ones(scores.shape[1:], dtype=torch.bool).triu(length - len(q) + 1)
            parts.append(torch.einsum("hqk,khd->qhd", scores.masked_fill(later, -math.inf).softmax(-1), v))
        return torch.cat(parts).double()

    exact = reference(torch.float64)
    torch.testing.assert_close(ours.cpu().double(), exact, atol=1e-2, rtol=1e-2)  # half of what the test allows
    assert (reference(torch.bfloat16) - exact).norm() > 2 * (ours.cpu().double() - exact).norm()
