"""`flagos routes tune` from its words to the conf file. Which target is faster is nothing that a test can say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from flagos import cli
from flagos.route_tuning import measuring, results
from torch_fl import routing

TARGET = "tuned_in_a_test"
aten = torch.ops.aten


def _refuse(x: torch.Tensor) -> torch.Tensor:
    routing.decline("not today")


@pytest.fixture(autouse=True)
def target() -> Iterator[None]:
    routing.register_target(TARGET, {"abs": lambda x: torch.relu(x) + torch.relu(-x), "neg": _refuse})
    yield
    routing.reset()


@pytest.fixture
def tune(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict, str]]:
    """Runs the command; its exit status, what --json printed, and stderr."""

    def run(*words: str, all_cases: bool = True) -> tuple[int, dict, str]:
        command = ["routes", "tune", "--targets", TARGET, "--results", str(tmp_path / "r.jsonl"), "--json"]
        command += ["--all-cases"] if all_cases else []
        status = cli.main([*command, "--rounds", "1", "--shapes", "500,9000", "--dtypes", "float32", *words])
        out, err = capsys.readouterr()
        return status, json.loads(out) if out else {}, err

    return run


def test_each_operator_is_timed_and_decided(tune, tmp_path: Path) -> None:
    status, told, err = tune("--conf", str(tmp_path / "my.conf"))
    assert status == 0
    assert told["finished"]
    decided = {decision["operator"]: decision for decision in told["decisions"]}
    assert set(decided) == {"abs", "neg"}
    assert decided["abs"]["worst"] > 0
    assert decided["neg"]["chain"] == ["cpu"]
    assert "not today" in decided["neg"]["reason"]
    found = results.read([tmp_path / "r.jsonl"])
    assert [(r.operator, r.dtype, r.asked) for r in found] == [
        ("abs", "float32", 500),
        ("abs", "float32", 9000),
        ("abs", "float32", 0),
        ("abs", "float64", 0),
        ("neg", "float32", 500),
        ("neg", "float32", 9000),
        ("neg", "float32", 0),
        ("neg", "float64", 0),
    ]
    assert not any(r.wrong for r in found)
    assert found[0].elements < found[1].elements
    assert found[0].timings[0].microseconds > 0
    assert "[1/2] abs float32" in err
    lines = (tmp_path / "my.conf").read_text().splitlines()
    assert [line.split(" = ")[0] for line in lines if " = " in line] == ["abs", "neg"]


def test_it_goes_on_where_it_stopped(tune, tmp_path: Path) -> None:
    tune("--ops", "abs", "--shapes", "500")
    first = (tmp_path / "r.jsonl").read_text()
    tune("--ops", "abs")
    both = (tmp_path / "r.jsonl").read_text()
    assert both.startswith(first)
    assert [r.asked for r in results.read([tmp_path / "r.jsonl"])] == [500, 0, 0, 9000]
    assert tune("--ops", "abs")[2] == ""
    assert (tmp_path / "r.jsonl").read_text() == both


def test_a_size_that_cannot_be_reached_is_timed_once(tune, tmp_path: Path) -> None:
    tune("--ops", "abs", "--shapes", "2,3")
    found = results.read([tmp_path / "r.jsonl"])
    assert [len(r.timings) for r in found if r.asked] == [1, 0]
    assert found[0].elements == found[1].elements
    assert tune("--ops", "abs", "--shapes", "2,3")[2] == ""


def test_a_case_that_settles_an_operator_is_its_last(tune, tmp_path: Path) -> None:
    beyond = ("--ops", "abs", "--least", "1e9")  # no target is so fast
    tune(*beyond, all_cases=False)
    assert [r.asked for r in results.read([tmp_path / "r.jsonl"])] == [500]
    assert tune(*beyond, all_cases=False)[2] == ""
    tune("--ops", "abs", "--least", "0", all_cases=False)  # any is
    assert [r.asked for r in results.read([tmp_path / "r.jsonl"])] == [500, 9000, 0, 0]


def test_what_computes_something_else_gets_nothing(tune, tmp_path: Path) -> None:
    routing.register_target(TARGET, {"abs": lambda x: torch.relu(x) + 1.0})
    status, told, err = tune("--ops", "abs", "--least", "0", all_cases=False)
    assert status == 0
    assert told["decisions"][0]["chain"] == ["cpu"]
    assert "differs: float64: Greatest absolute difference" in err


def test_a_limit_of_time_is_told(tune) -> None:
    status, told, _ = tune("--seconds", "0")
    assert status == 1
    assert told == {"finished": False, "decisions": []}


def test_compiling_measures_nothing(tune, tmp_path: Path) -> None:
    status, _, err = tune("--compile", "--conf", str(tmp_path / "my.conf"))
    assert status == 0
    assert "abs float32" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--ops", "nothing*"), "no operator matches 'nothing*'"),
        (("--shapes", "huge"), "'huge' is no size"),
        (("--dtypes", "float33"), "'float33' is no dtype"),
        (("--targets", "nobody"), "unknown target 'nobody'"),
    ],
)
def test_wrong_words(tune, words: tuple[str, ...], why: str) -> None:
    status, told, err = tune(*words)
    assert (status, told) == (2, {})
    assert why in err


def test_routes_of_an_operator_are_still_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["routes", "add.Tensor"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("add.Tensor")


def test_a_call_that_writes_finds_its_operands_as_they_were() -> None:
    x = torch.ones(5, device="flagos")
    timed = measuring.prepared(aten.add_.Tensor, ((x, x), {}), "flagos")
    for _ in range(3):
        assert timed() > 0
    assert x.tolist() == [2.0] * 5


def test_no_reference_no_ratio() -> None:
    with pytest.raises(NotImplementedError, match="mm: RuntimeError"):
        measuring.measure(aten.mm.default, ((torch.ones(2, 3), torch.ones(2, 3)), {}), [TARGET], rounds=1)


def test_random_operators_keep_their_route(tune) -> None:
    routing.register_target("random_in_a_test", {"bernoulli": lambda x, generator=None: x.clone()})
    status, told, err = tune("--targets", "random_in_a_test")
    assert (status, told["decisions"], err) == (0, [], "")
