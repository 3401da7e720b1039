"""torch_fl.routing: what it says, what it changes, and that it gives back what was."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch_fl
from torch_fl import routing

from .process import fresh, output_of

DRIVER = torch.flagos.get_device_properties().driver


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    routing.reset()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.arange(4.0, device="flagos")


@pytest.fixture(scope="module")
def doubling() -> str:
    """A target whose add gives twice the sum, and whose mul declines what is empty."""

    def add(a: torch.Tensor, b: torch.Tensor, *, alpha: float = 1) -> torch.Tensor:
        return torch.add(a, b, alpha=alpha) * 2

    def mul(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        if a.numel() == 0:
            routing.decline("it is empty")
        return torch.zeros_like(a)

    routing.register_target("doubling", {"add.Tensor": add, torch.ops.aten.mul.Tensor: mul})
    return "doubling"


def test_explain_names_the_target_and_the_rule(x: torch.Tensor) -> None:
    said = routing.explain("add.Tensor", x, x)
    assert (said.operator, said.driver) == ("add.Tensor", DRIVER)
    assert said.runs == "cpu"
    assert said.candidates[-1].verdict == "runs"
    assert f"add.Tensor on {DRIVER}: cpu" in str(said)


@pytest.mark.parametrize("operator", ["mm", "aten::mm", torch.ops.aten.mm, torch.ops.aten.mm.default])
def test_an_operator_is_named_in_every_usual_way(operator: routing.Operator) -> None:
    assert routing.operator_name(operator).removeprefix("aten::").startswith("mm")
    assert routing.explain(operator).operator == "mm"


def test_the_table_lists_every_operator_once() -> None:
    table = routing.table(DRIVER)
    names = [route.operator for route in table]
    assert names == sorted(set(names))
    assert {"add.Tensor", "mm", "mm.out", "convolution", "_softmax"} <= set(names)
    assert len(names) > 1000
    assert torch_fl.get_registered_ops() == names
    assert {route.driver for route in table} == {DRIVER}


def test_targets_say_why_they_are_absent() -> None:
    targets = {target.name: target for target in routing.targets()}
    assert targets["cpu"].present
    assert {"flagos", "flagos_python", "cuda", "metax", "ascend"} <= set(targets)
    assert "flaggems" in targets["flagos"].aliases
    assert torch_fl.is_flaggems_enabled() is any(targets[name].present for name in ("flagos", "flagos_python"))
    for target in targets.values():
        assert target.present == (target.absent is None)


def test_an_override_holds_within_its_context(x: torch.Tensor, doubling: str) -> None:
    with routing.override("add.Tensor", [doubling, "cpu"]) as made:
        assert (x + x).tolist() == [0, 4, 8, 12]
        said = routing.explain("add.Tensor", x, x)
        assert said.runs == doubling
        assert said.rule.chain == (doubling, "cpu")
        assert repr(made) == "<routing.override add.Tensor = doubling, cpu>"
    assert (x + x).tolist() == [0, 2, 4, 6]
    made.remove()  # a second time does nothing


def test_a_plain_override_holds_until_reset(x: torch.Tensor, doubling: str) -> None:
    made = routing.override("add.Tensor", f"{doubling}, cpu", driver=DRIVER)
    assert (x + x).tolist() == [0, 4, 8, 12]
    routing.reset()
    assert (x + x).tolist() == [0, 2, 4, 6]
    made.remove()  # reset has ended it already


def test_overrides_nest_and_the_last_one_wins(x: torch.Tensor, doubling: str) -> None:
    with routing.override("add.Tensor", [doubling, "cpu"]):
        with routing.override("add.Tensor", "cpu"):
            assert (x + x)[1].item() == 2
        assert (x + x)[1].item() == 4
    with routing.override("add.Tensor", [doubling, "cpu"]), routing.override("*", "cpu"):
        assert (x + x)[1].item() == 4  # an exact name is stronger than a glob


def test_an_override_holds_for_other_threads(x: torch.Tensor, doubling: str) -> None:
    seen = []
    with routing.override("add.Tensor", [doubling, "cpu"]):
        thread = threading.Thread(target=lambda: seen.append((x + x)[1].item()))
        thread.start()
        thread.join()
    assert seen == [4]


def test_a_function_declines_to_the_next_target(x: torch.Tensor, doubling: str) -> None:
    with routing.override("mul.Tensor", [doubling, "cpu"]):
        assert (x * x).tolist() == [0, 0, 0, 0]
        assert (x[:0] * x[:0]).shape == (0,)
    with routing.override("mul.Tensor", doubling), pytest.raises(NotImplementedError, match="it is empty"):
        x[:0] * x[:0]


def test_gradients_are_those_of_the_operator(x: torch.Tensor, doubling: str) -> None:
    leaf = x.clone().requires_grad_()
    with routing.override("mul.Tensor", [doubling, "cpu"]):
        y = leaf * 3
    assert y.tolist() == [0, 0, 0, 0]
    y.sum().backward()
    assert leaf.grad.tolist() == [3, 3, 3, 3]


def test_an_error_of_a_function_is_the_callers(x: torch.Tensor) -> None:
    def exp(a: torch.Tensor) -> torch.Tensor:
        raise ZeroDivisionError("mine")

    routing.register_target("raising", {"exp": exp})
    with routing.override("exp", "raising, cpu"), pytest.raises(ZeroDivisionError, match="mine"):
        x.exp()
    assert x.exp()[0].item() == 1


def test_a_function_is_replaced_and_serves_out_and_in_place(x: torch.Tensor) -> None:
    routing.register_target("changing", {"neg": lambda a: a + 1})
    routing.register_target("changing", {"neg": lambda a: a + 2, "neg_": lambda a: a.add_(3), "sin.out": sin_out})
    with routing.override("neg*", "changing, cpu"), routing.override("sin.out", "changing, cpu"):
        assert (-x).tolist() == [2, 3, 4, 5]
        assert x.neg_() is x
        assert x.tolist() == [3, 4, 5, 6]
        out = torch.empty(4, device="flagos")
        assert torch.sin(x, out=out) is out
        assert out.tolist() == [7, 7, 7, 7]


def sin_out(a: torch.Tensor, *, out: torch.Tensor) -> torch.Tensor:
    return out.fill_(7)


@pytest.mark.parametrize("name", ["", "Mine", "two words", "a-b", "1st"])
def test_a_name_that_is_no_target_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="target's name"):
        routing.register_target(name, {})


def test_bad_input_is_refused_and_changes_nothing(x: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="Did you mean 'mm'"):
        routing.explain("mmm")
    with pytest.raises(TypeError, match="an operator is a name"):
        routing.explain(3)
    with pytest.raises(ValueError, match="toaster"):
        routing.override("add.Tensor", "toaster")
    with pytest.raises(ValueError, match=r"add\.Tensorr"):
        routing.override("add.Tensorr", "cpu")
    with pytest.raises(ValueError, match="toaster"):
        routing.override("add.Tensor", "cpu", driver="toaster")
    with pytest.raises(ValueError, match="no operator 'no_such_op'"):
        routing.register_target("fine", {"no_such_op": lambda a: a})
    with pytest.raises(ValueError, match=r"mm has default, .*out"):
        routing.register_target("fine", {"mm.nope": lambda a: a})
    assert (x + x).tolist() == [0, 2, 4, 6]


def test_a_trace_counts_calls(x: torch.Tensor) -> None:
    with routing.trace() as ledger:
        for _ in range(3):
            x.exp()
        assert next(e for e in ledger.report() if e.operator == "exp").calls == 3
        x.sin()
    counted = {entry.operator: entry for entry in ledger.report()}
    assert counted["exp"].calls == 3
    assert counted["sin"].target == "cpu"
    assert counted["exp"].milliseconds > 0
    assert "exp" in str(ledger.report())
    x.exp()
    assert {e.operator: e.calls for e in ledger.report()} == {"exp": 3, "sin": 1}  # it has ended


def test_an_empty_report_says_how_to_fill_it() -> None:
    torch.ops.flagos.ledger_clear()
    assert "FLAGOS_TRACE=1" in str(routing.report())


def test_a_conf_file_decides_and_is_cited(tmp_path: Path) -> None:
    conf = tmp_path / "mine.conf"
    conf.write_text("# a comment\nmm = cpu   # the reason\n")
    program = """
    import torch, torch_fl
    said = torch_fl.routing.explain("mm")
    print(said.rule.place.file, said.rule.place.line, said.rule.place.reason, said.runs)
    print(torch_fl.routing.conf_files()[0])
    print([str(rule) for rule in torch_fl.routing.rules()][0])
    """
    lines = output_of(program, FLAGOS_BACKEND_CONFIG=str(conf)).splitlines()
    assert lines[0] == f"{conf} 2 the reason cpu"
    assert lines[1] == str(conf)
    assert lines[2].startswith("mm = cpu")


def test_the_environment_is_stronger_than_the_file(tmp_path: Path) -> None:
    conf = tmp_path / "mine.conf"
    conf.write_text("mm = cpu\n")
    program = "import torch_fl; r = torch_fl.routing.explain('mm').rule; print(r.place.source, r.chain, r.place)"
    said = output_of(program, FLAGOS_BACKEND_CONFIG=str(conf), FLAGOS_OP_mm="flagos, cpu")
    assert said == "environment ('flagos', 'cpu') FLAGOS_OP_mm"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mmm = cpu\n", "mmm"),
        ("mm = toaster\n", "toaster"),
        ("\0\1\2", "mine.conf"),
        ("include mine.conf\n", "mine.conf"),
    ],
)
def test_a_conf_file_that_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    conf = tmp_path / "mine.conf"
    conf.write_text(text)
    done = fresh("import torch_fl, torch; torch.ones(2, device='flagos') + 1", FLAGOS_BACKEND_CONFIG=str(conf))
    assert done.returncode == 1
    assert "ValueError" in done.stderr
    assert expected in done.stderr.splitlines()[-1]


def test_a_conf_file_that_is_missing_is_named() -> None:
    done = fresh("import torch_fl, torch; torch.ones(2, device='flagos') + 1", FLAGOS_BACKEND_CONFIG="no/such.conf")
    assert "FLAGOS_BACKEND_CONFIG: there is no file 'no/such.conf'" in done.stderr


def test_shadow_names_the_operator_that_differs_and_only_that(x: torch.Tensor, doubling: str) -> None:
    program = """
        import torch, torch_fl
        from torch_fl import routing
        routing.register_target("wrong", {"add.Tensor": lambda a, b, *, alpha=1: torch.sub(a, b)})
        x = torch.ones(2, 3, device="flagos")
        with routing.override("add.Tensor", "wrong"):
            y = x * 2
            assert (x + y).cpu().eq(-1).all(), "the call keeps its own result"
    """
    done = fresh(program, FLAGOS_SHADOW="cpu")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "add.Tensor" in line]
    assert "Float[2, 3]" in line
    assert "largest absolute difference 4" in line
    assert "mul.Tensor" not in done.stderr
