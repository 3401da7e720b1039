"""FlagGems as route targets: when it loads, when it is absent, what is handed on, and what the environment says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch_fl
from flagos.flaggems import import_hook, package
from torch_fl import routing

from tests.python.process import fresh, output_of

pytestmark = [
    pytest.mark.flaggems_python,
    pytest.mark.skipif(isinstance(package.find(), str), reason=str(package.find())),
]


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    routing.reset()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.arange(6.0, device="flagos").view(2, 3)


def ran(ledger: routing.trace) -> dict[str, str]:
    return {row.operator: row.target for row in ledger.report() if row.calls > row.declined}


def test_nothing_of_flaggems_loads_before_a_call_is_routed_to_it() -> None:
    told = output_of(
        """
        import sys, warnings, torch, torch_fl
        warnings.simplefilter("ignore")
        x = torch.ones(3, device="flagos") + 1
        print("flag_gems" in sys.modules, "triton" in sys.modules, torch_fl.is_flaggems_enabled())
        with torch_fl.routing.override("add", "flagos_python"):
            print((x + x).tolist(), "flag_gems" in sys.modules)
        """
    )
    assert told.splitlines() == ["False False True", "[4.0, 4.0, 4.0] True"]


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("FLAGOS_DISABLE_FLAGGEMS_PY", "1", "FLAGOS_DISABLE_FLAGGEMS_PY=1 turns it off"),
        ("GEMS_VENDOR", "nvidia", "GEMS_VENDOR=nvidia makes FlagGems serve another device"),
        ("FLAGGEMS_SOURCE_DIR", "/nowhere", "flag_gems cannot be read"),
    ],
)
def test_absent_with_the_reason(variable: str, value: str, why: str) -> None:
    program = """
        import torch_fl
        for target in torch_fl.routing.targets():
            if target.name in ("flagos", "flagos_python"):
                print(target.name, target.absent)
        print(torch_fl.is_flaggems_enabled())
    """
    lines = output_of(program, **{variable: value}).splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["flagos", "flagos_python"]
    assert all(why in line for line in lines[:2])
    assert lines[2] == "False"


def test_another_folder_of_the_package(tmp_path: Path) -> None:
    found = package.find()
    assert isinstance(found, package.Package)
    (tmp_path / "flag_gems").symlink_to(found.folder)
    told = output_of(
        """
        import warnings; warnings.simplefilter("ignore")
        import torch_fl, flag_gems
        print(flag_gems.__file__, flag_gems.vendor_name)
        """,
        FLAGGEMS_SOURCE_DIR=str(tmp_path),
    )
    assert told == f"{tmp_path / 'flag_gems' / '__init__.py'} flagos"


@pytest.mark.parametrize("target", ["flagos", "flaggems", "flagos_python", "flaggems_python"])
def test_every_name_of_the_targets(target: str, x: torch.Tensor) -> None:
    with routing.override("mul.Tensor", target), routing.trace() as ledger:
        assert torch.equal((x * x).cpu(), x.cpu() * x.cpu())
    assert ran(ledger)["mul.Tensor"] == {"flaggems": "flagos", "flaggems_python": "flagos_python"}.get(target, target)


def test_the_shipped_file_routes_all_that_flaggems_has() -> None:
    told = output_of(
        """
        import torch_fl
        from flagos.flaggems import package
        entries = set(package.find().entries)
        torch_fl.flagos.init()  # what composes other operators has a route from here on
        routes = [r for r in torch_fl.routing.table("host") if r.operator in entries]
        print(len(routes), {r.runs for r in routes})
        """,
        FLAGOS_BACKEND_CONFIG="backends_flagos_py.conf",
    )
    assert told == "423 {'flagos_python'}"


def test_a_composite_is_whole_without_a_gradient_and_composed_with_one(x: torch.Tensor) -> None:
    with routing.override("*", "flagos_python, cpu"):
        with routing.trace() as ledger:
            torch.square(x)
        assert ran(ledger) == {"square": "flagos_python"}
        leaf = x.clone().requires_grad_()
        with routing.trace() as ledger:
            torch.square(leaf).sum().backward()
        assert "square" not in ran(ledger)
        assert ran(ledger)["pow.Tensor_Scalar"] == "flagos_python"
    assert torch.equal(leaf.grad.cpu(), 2 * x.cpu())
    assert torch.equal(torch.square(x).cpu(), x.cpu() ** 2)  # back on cpu


def test_what_does_not_compile_goes_on_and_is_remembered() -> None:
    a = torch.ones(4, 4, dtype=torch.int64, device="flagos")
    with routing.override("mm", "flagos_python, cpu"):
        with routing.trace() as ledger:
            assert torch.mm(a, a).tolist() == [[4] * 4] * 4
        assert ran(ledger)["mm"] == "cpu"
        (refused,) = (c.refused for c in routing.explain("mm", a, a).candidates if c.target == "flagos_python")
        assert "does not compile: Unsupported lhs dtype int64" in refused[0]
        with routing.trace() as ledger:
            torch.mm(a, a)
        assert {row.target for row in ledger.report()} == {"cpu"}


def test_strict_makes_an_error_of_it() -> None:
    done = fresh(
        """
        import warnings; warnings.simplefilter("ignore")
        import torch, torch_fl
        a = torch.ones(4, 4, dtype=torch.int64, device="flagos")
        torch.mm(a, a)
        """,
        FLAGOS_BACKEND_CONFIG="backends_flagos_py.conf",
        FLAGOS_STRICT="1",
    )
    assert done.returncode == 1
    assert "NotImplementedError" in done.stderr
    assert "Unsupported lhs dtype int64" in done.stderr


def test_strict_leaves_what_flaggems_says_of_a_wrong_argument() -> None:
    program = """
        import warnings; warnings.simplefilter("ignore")
        import torch, torch_fl
        torch.gather(torch.ones(4, 4, 4, device="flagos"), 0, torch.zeros(4, 4, dtype=torch.int64, device="flagos"))
        """
    for strict, error in (("1", "IndexError: self and index must have"), ("0", "RuntimeError: Index tensor must have")):
        done = fresh(program, FLAGOS_BACKEND_CONFIG="backends_flagos_py.conf", FLAGOS_STRICT=strict)
        assert done.returncode == 1
        assert error in done.stderr


def test_an_operand_without_elements_reaches_no_kernel() -> None:
    a, b = torch.ones(3, 0, device="flagos"), torch.ones(0, 5, device="flagos")
    with routing.override("mm", "flagos_python, cpu"):
        assert torch.mm(a, b).tolist() == [[0.0] * 5] * 3


def test_random_numbers_come_from_the_generator() -> None:
    with routing.override("*", "flagos_python, cpu"):
        torch.flagos.manual_seed(7)
        before = torch.flagos.get_rng_state()
        first, second = torch.randn(1000, device="flagos"), torch.randn(1000, device="flagos")
        assert not torch.equal(before, torch.flagos.get_rng_state())
        torch.flagos.manual_seed(7)
        assert torch.equal(torch.randn(1000, device="flagos"), first)
    assert not torch.equal(first, second)
    assert abs(first.mean().item()) < 0.15
    assert abs(first.std().item() - 1) < 0.1


def test_no_call_times_candidates(tmp_path: Path) -> None:
    output_of(
        """
        import warnings; warnings.simplefilter("ignore")
        import torch, torch_fl
        a = torch.ones(64, 64, device="flagos")
        torch.mm(a, a); torch.bmm(a[None], a[None]); torch.addmm(a, a, a); a.softmax(-1); a.sum(0)
        """,
        FLAGOS_BACKEND_CONFIG="backends_flagos_py.conf",
        FLAGGEMS_CACHE_DIR=str(tmp_path),
    )
    assert list(tmp_path.glob("config_cache/*.db")) == []


def test_sources_are_rewritten_only_where_they_ask_for_another_vendor() -> None:
    assert import_hook.rewrite("assert x.is_cuda and y.is_cudaish") == "assert x.is_flagos and y.is_cudaish"
    assert import_hook.rewrite('if t.device.type != "cuda":') == 'if t.device.type != "flagos":'
    assert import_hook.rewrite('p(get_device_properties(\n  "cuda"\n))') == 'p(get_device_properties(\n  "cuda"\n))'
    assert import_hook.rewrite('fn.get_device_properties(\n  "cuda"\n)') == "fn.get_device_properties()"


def test_registered_operators_are_those_that_have_routes() -> None:
    with routing.override("square", "flagos_python, cpu"):
        registered = set(torch_fl.get_registered_ops())
    assert {"mm", "add.Tensor", "square"} <= registered
    assert "copysign" not in registered


def test_an_operator_that_no_cpu_has_is_served_where_it_is_routed() -> None:
    q = torch.randn(1, 5, 2, 64, device="flagos", dtype=torch.float16)
    call = (q, q, q, None, None, 5, 5, 0.0, False, False)
    with routing.override("_flash_attention_forward", "flagos_python"), routing.trace() as ledger:
        out = torch.ops.aten._flash_attention_forward(*call)[0]
    assert ran(ledger)["_flash_attention_forward"] == "flagos_python"
    expected = torch.nn.functional.scaled_dot_product_attention(*(q.cpu().transpose(1, 2),) * 3).transpose(1, 2)
    torch.testing.assert_close(out.cpu(), expected, rtol=1e-2, atol=1e-2)
    with pytest.raises(NotImplementedError, match="PyTorch has no CPU kernel for _flash_attention_forward"):
        torch.ops.aten._flash_attention_forward(*call)
