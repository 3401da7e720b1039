"""register(), the import of the plugin, the seams and the report, each in a process of its own, on the model of the
contract.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.python.process import fresh, output_of, plugin_on_path

CONTRACT = str(Path(__file__).parent / "contract")
KEYS = [
    "flagos",
    "fl",
    "flagos_flash_attn",
    "flagos-fp8",
    "flagos-int8",
    "flagos_rms_norm",
    "flagos_layer_norm",
    "flagos_rope",
]


def path(*more: str) -> str:
    return os.pathsep.join(filter(None, [*more, CONTRACT, os.environ.get("PYTHONPATH")]))


def states(program: str, folder: Path | None = None, **variables: str | None) -> set[str]:
    """What `print(state())` at the end of `program` says, as a set of places."""
    where = path(plugin_on_path(folder)) if folder is not None else path()
    variables = {"PLATFORM": "flagos", "CONTRACT_WITHOUT_SCAN": None, **variables}
    told = output_of(
        program + "\nfrom lightx2v_fl import registration; print(*registration.state().values())",
        PYTHONPATH=where,
        **variables,
    )
    return set(told.splitlines()[-1].split())


def test_by_the_entry_point(tmp_path: Path) -> None:
    assert states("import lightx2v", tmp_path) == {"staging", "final"}


def test_imported_first() -> None:
    assert states("import lightx2v_fl, lightx2v", CONTRACT_WITHOUT_SCAN="1") == {"staging", "final"}


def test_imported_last() -> None:
    program = "import lightx2v\nimport lightx2v_fl"
    assert states(program, CONTRACT_WITHOUT_SCAN="1", PLATFORM="in_tree") == {"staging", "final"}


def test_not_on_import_when_told_so() -> None:
    program = "import lightx2v_fl\nassert set(lightx2v_fl.registration.state().values()) == {'not registered'}"
    assert states(program, LIGHTX2V_FL_AUTO_REGISTER="0") == {"not", "registered"}
    assert states(f"{program}\nlightx2v_fl.register()", LIGHTX2V_FL_AUTO_REGISTER="0") == {"staging"}


def test_any_number_of_times(tmp_path: Path) -> None:
    program = """
        import lightx2v_fl
        lightx2v_fl.register(); lightx2v_fl.register()
        import lightx2v
        from lightx2v_platform import set_ai_device
        set_ai_device.set_ai_device(); lightx2v_fl.register()
        assert set_ai_device.failures == [], set_ai_device.failures
    """
    import textwrap

    assert states(textwrap.dedent(program), tmp_path) == {"staging", "final"}


def test_without_lightx2v_importing_does_nothing() -> None:
    assert (
        output_of("import lightx2v_fl; print(set(lightx2v_fl.registration.state().values()))") == "{'not registered'}"
    )


def test_another_platform_is_left_alone(tmp_path: Path) -> None:
    program = """
        import sys, lightx2v
        from lightx2v.utils import registry_factory as final
        from lightx2v_platform.base import global_var
        import safetensors
        assert "flagos_rope" in final.ROPE_REGISTER
        print(global_var.AI_DEVICE, "torch_fl" in sys.modules, type(safetensors.safe_open).__name__)
    """
    told = output_of(
        program, PYTHONPATH=path(plugin_on_path(tmp_path)), PLATFORM="in_tree", FLAGOS_AUTOLOAD="0",
        LIGHTX2V_FL_GLOBAL_GEMS="1", CONTRACT_WITHOUT_SCAN=None,
    )  # fmt: skip
    assert told.split()[-3:] == ["cpu", "False", "type"]


def test_a_key_of_somebody_else_stays_theirs() -> None:
    program = """
        from lightx2v_platform import registry_factory as staging
        class Theirs: ...
        staging.PLATFORM_ROPE_REGISTER["flagos_rope"] = Theirs
        import lightx2v_fl
        assert staging.PLATFORM_ROPE_REGISTER["flagos_rope"] is Theirs
        print(lightx2v_fl.registration.state()["flagos_rope"])
    """
    done = fresh(program, PYTHONPATH=path())
    assert done.stdout.split() == ["__main__.Theirs"]
    assert "the key 'flagos_rope' belongs to __main__.Theirs" in done.stderr


def test_a_device_that_cannot_work_says_why_when_it_is_asked_for(tmp_path: Path) -> None:
    done = fresh(
        "import lightx2v",
        PYTHONPATH=path(plugin_on_path(tmp_path)),
        PLATFORM="flagos",
        FLAGOS_DRIVER="no_such_driver",
        CONTRACT_WITHOUT_SCAN=None,
    )
    assert done.returncode != 0
    assert "no_such_driver" in done.stderr


def test_plugins_are_called_once_where_the_framework_does_not(tmp_path: Path) -> None:
    """The loader of frameworks without a scan: each entry point once, a broken one told, the others called."""
    for name, body in (("good_plugin", "calls = 0\ndef register():\n    global calls\n    calls += 1\n"),
                       ("bad_plugin", "def register():\n    raise OSError('no such chip')\n")):  # fmt: skip
        (tmp_path / f"{name}.py").write_text(body)
        information = tmp_path / f"{name}-0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0\n")
        (information / "entry_points.txt").write_text(f"[lightx2v.platform_plugins]\n{name} = {name}:register\n")
    program = """
        from lightx2v_fl import discovery
        import good_plugin
        discovery.framework_scans = lambda: False
        first, second = discovery.load_platform_plugins(), discovery.load_platform_plugins()
        print([name for name in first if name != "flagos"], second, good_plugin.calls)
    """
    done = fresh(program, PYTHONPATH=path(str(tmp_path)), LIGHTX2V_FL_AUTO_REGISTER="0")
    assert done.stdout.strip() == "['good_plugin'] [] 1"
    assert done.stderr.count("'bad_plugin'") == 1
    assert "no such chip" in done.stderr


@pytest.mark.parametrize(("value", "words"), [("native,metal", "metal is no supplier"), (",", "must be a list")])
def test_a_wrong_supplier_is_named(value: str, words: str) -> None:
    program = """
        import torch, torch_fl
        from lightx2v_fl.kernels import normalisation
        normalisation.rms_norm(torch.ones(2, 4, device="flagos"), None, 1e-6, torch.float32)
    """
    done = fresh(program, PYTHONPATH=path(), LIGHTX2V_FL_KERNELS=value)
    assert words in done.stderr


def test_the_report_names_kernels_reasons_and_counts() -> None:
    program = """
        import torch, torch_fl, lightx2v_fl
        from lightx2v_fl.kernels import normalisation
        assert str(lightx2v_fl.report()) == "no operator of lightx2v_fl has run"
        x = torch.ones(2, 4, device="flagos")
        for _ in range(3):
            normalisation.rms_norm(x, None, 1e-6, torch.float32)
        [supply] = lightx2v_fl.report()
        print(supply.operator, supply.kernels, supply.calls, supply.fallbacks)
    """
    assert output_of(program, PYTHONPATH=path()) == "flagos_rms_norm native 3 0"
    assert output_of(program, PYTHONPATH=path(), LIGHTX2V_FL_KERNELS="torch,native") == "flagos_rms_norm torch 3 0"


def test_other_devices_get_pytorchs_operators() -> None:
    """On an accelerator (here the simulated one) the host's kernels are absent, which is no fall-back."""
    program = """
        import torch, torch_fl, lightx2v_fl
        from lightx2v_fl.ops.attention import FlashAttention
        q = torch.randn(5, 2, 16, device="flagos")
        out = FlashAttention().apply(q, q, q)
        [supply] = lightx2v_fl.report()
        print(out.device, supply.kernels, supply.fallbacks, supply.passed_over["native"])
    """
    told = output_of(program, PYTHONPATH=path(), FLAGOS_DRIVER="sim", LIGHTX2V_FL_STRICT="1")
    assert told == "flagos:0 torch 0 flagos:0 is a device of the driver 'sim', not of the host"


def test_the_own_kernels_work_over_copies_too() -> None:
    program = """
        import torch, torch_fl
        x = torch.randn(4, 32)
        for op in ("rms_norm", "layer_norm"):
            args = (None, 1e-6) if op == "rms_norm" else (None, None, 1e-6)
            f = getattr(torch.ops.flagos, op)
            assert torch.equal(f(x.to("flagos"), *args).cpu(), f(x, *args))
        q = torch.randn(4, 2, 16)
        a = torch.ops.flagos.attention(q, q, q, None, None, None, 1, False, None, True)
        b = torch.ops.flagos.attention(*[q.to("flagos")] * 3, None, None, None, 1, False, None, True)
        assert torch.equal(a[0], b[0].cpu()) and torch.equal(a[1], b[1].cpu())
        print("same")
    """
    assert output_of(program, FLAGOS_DRIVER="sim") == "same"


@pytest.mark.parametrize(
    ("name", "words"), [("LIGHTX2V_FL_STRICT", "must be 1 or 0"), ("LIGHTX2V_FL_KERNELS", "maybe is no supplier")]
)
def test_an_unusable_variable_is_told_when_the_device_is_chosen(name: str, words: str) -> None:
    program = "from lightx2v_fl.device import FlagosDevice; FlagosDevice.init_device_env()"
    environment = {**os.environ, name: "maybe"}  # a process of its own: the variables are read once
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "ValueError" in done.stderr
    assert words in done.stderr
