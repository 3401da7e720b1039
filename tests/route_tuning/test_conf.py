"""What follows from measurements, and that the written file says so to the routes."""

from __future__ import annotations

from pathlib import Path

import pytest
from flagos.route_tuning import conf, results
from flagos.route_tuning.interval import interval_of_median
from flagos.route_tuning.measuring import Timing
from flagos.route_tuning.results import Result

from tests.python.process import output_of


def result(operator: str, ratio: float | None, asked: int = 64, processor: str = "zen") -> Result:
    timings = () if ratio is None else (Timing("flagos", 2.0, ratio, ratio * 0.9, ratio * 1.1),)
    refused = {"flagos": "NotImplementedError: no\n# kernel"} if ratio is None else {}
    return Result(operator, "float32", asked, asked, processor, "host", 2, "torch 1", timings, refused)


def chains(*found: Result, least: float = conf.LEAST) -> dict[str, tuple[str, ...]]:
    return {decision.operator: decision.chain for decision in conf.decide(found, least)}


def test_an_operator_goes_where_it_is_fast_enough() -> None:
    assert chains(result("mm", 1.1), result("add.Tensor", 1.09)) == {"mm": ("flagos", "cpu"), "add.Tensor": ("cpu",)}
    assert chains(result("mm", 1.1), least=1.2) == {"mm": ("cpu",)}


def test_every_case_counts() -> None:
    assert chains(result("mm", 9.0, asked=64), result("mm", 1.0, asked=128)) == {"mm": ("cpu",)}


def test_a_slow_case_settles_an_operator() -> None:
    assert conf.settles(result("mm", 1.0), "host", conf.LEAST)
    assert not conf.settles(result("mm", 1.2), "host", conf.LEAST)
    assert not conf.settles(result("mm", 1.0), "sim", conf.LEAST)
    assert not conf.settles(result("mm", None), "host", conf.LEAST)
    both = (Timing("flagos", 2.0, 0.5, 0.4, 0.6), Timing("other", 1.0, 3.0, 2.9, 3.1))
    assert not conf.settles(Result("mm", "float32", 64, 64, "zen", "host", 2, "torch 1", both, {}), "host", conf.LEAST)


def test_every_kind_of_processor_counts() -> None:
    assert chains(result("mm", 2.0), result("mm", 1.0, processor="lake")) == {"mm": ("cpu",)}
    assert chains(result("mm", 2.0), result("mm", 3.0, processor="lake")) == {"mm": ("flagos", "cpu")}
    unmeasured = conf.decide([result("mm", 2.0), result("bmm", 2.0), result("bmm", 2.0, processor="lake")])
    assert {d.operator: d.chain for d in unmeasured} == {"mm": ("cpu",), "bmm": ("flagos", "cpu")}
    assert next(d.reason for d in unmeasured if d.operator == "mm").endswith("not measured on lake")


def test_what_is_faster_and_wrong_stays() -> None:
    wrong = Result("mm", "float64", 0, 5, "zen", "host", 2, "torch 1", (), {}, {"flagos": "float64: off by 1e-5"})
    (decision,) = conf.decide([result("mm", 9.0), wrong])
    assert decision.chain == ("cpu",)
    assert decision.reason == "flagos 9.00 x as fast, zen; but differs: float64: off by 1e-5"
    other = Result("mm", "float32", 64, 64, "zen", "host", 2, "torch 1", (Timing("other", 2.0, 2.0, 1.9, 2.1),), {})
    assert chains(result("mm", 9.0), other, wrong) == {"mm": ("other", "cpu")}


def test_what_no_target_serves_stays() -> None:
    (decision,) = conf.decide([result("mm", None)])
    assert decision.chain == ("cpu",)
    assert decision.reason == "not served: NotImplementedError: no # kernel"


def test_the_best_target_wins() -> None:
    both = (Timing("flagos", 2.0, 1.5, 1.4, 1.6), Timing("other", 1.0, 3.0, 2.9, 3.1))
    (decision,) = conf.decide([Result("mm", "float32", 64, 64, "zen", "host", 2, "torch 1", both, {})])
    assert decision.chain == ("other", "cpu")


def test_the_file_is_one_that_routing_reads_with_its_reasons(tmp_path: Path) -> None:
    found = [result("mm", 1.5), result("mm", 2.0, asked=128), result("add.Tensor", 0.25), result("bmm", None)]
    file = tmp_path / "tuned.conf"
    file.write_text("\n".join(conf.lines(conf.decide(found), found, conf.LEAST)) + "\n")
    told = output_of(
        """
        import torch_fl
        for name in ("mm", "add.Tensor", "bmm"):
            rule = torch_fl.routing.explain(name, driver="host").rule
            print(rule.chain, rule.section, rule.place.reason)
        """,
        FLAGOS_BACKEND_CONFIG=str(file),
        FLAGOS_DRIVER="host",
    )
    assert told.splitlines() == [
        "('flagos', 'cpu') host flagos 1.73 x as fast, 1.50 to 2.00 in 2 cases, zen",
        "('cpu',) host flagos 0.25 x as fast, zen",
        "('cpu',) host not served: NotImplementedError: no # kernel",
    ]


def test_results_come_back_from_the_disk(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    assert results.read([file]) == []
    results.add(file, result("mm", 2.0))
    results.add(file, result("mm", None))
    assert results.read([file]) == [result("mm", 2.0), result("mm", None)]
    file.write_text(file.read_text() + "oops\n")
    with pytest.raises(ValueError, match=r"r\.jsonl:3: no result"):
        results.read([file])


def test_the_interval_of_a_median() -> None:
    assert interval_of_median([1.0, 2.0, 3.0]) == (1.0, 3.0)
    # binomial(9, 1/2): at most one value on a side may be left out.
    assert interval_of_median([float(n) for n in range(9)]) == (1.0, 7.0)
