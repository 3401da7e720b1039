"""The plugin in LightX2V itself, with a Wan of two layers: `make test-lightx2v LIGHTX2V=path/to/checkout`.

The numbers in the names of the tests are those of the list of what LightX2V asks of a plugin.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.lightx2v.tiny_wan import relative
from tests.python.process import plugin_on_path

ROOT = Path(__file__).resolve().parents[3]
CHECKOUT = os.environ.get("LIGHTX2V", "")

pytestmark = pytest.mark.skipif(
    not (Path(CHECKOUT) / "lightx2v_platform").is_dir(),
    reason="LIGHTX2V names no checkout of LightX2V: make test-lightx2v LIGHTX2V=path/to/checkout",
)

OURS = {
    "ATTN_WEIGHT_REGISTER": ["flagos_flash_attn"],
    "MM_WEIGHT_REGISTER": ["flagos", "flagos-fp8", "flagos-int8"],
    "RMS_WEIGHT_REGISTER": ["flagos_rms_norm"],
    "LN_WEIGHT_REGISTER": ["flagos_layer_norm"],
    "ROPE_REGISTER": ["flagos_rope"],
}


def run(program: str, folder: Path, *, plugin: bool = True, **variables: str) -> dict[str, Any]:
    """The findings of a program in a process of its own, with the plugin's entry point to be found or not."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LIGHTX2V_FL_", "FLAGOS_OP_", "DTYPE", "SENSITIVE"))
    }
    environment |= {"PLATFORM": "flagos", "TOKENIZERS_PARALLELISM": "false", **variables}
    path = [str(ROOT), environment.get("PYTHONPATH", "")]
    if plugin:
        path.append(plugin_on_path(folder))
    else:
        environment["WITHOUT_PLUGIN"] = "1"
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    done = subprocess.run(
        [sys.executable, "-m", "tests.lightx2v.acceptance.programs", program, CHECKOUT, str(folder)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    findings = json.loads(done.stdout.partition("FINDINGS\n")[2])
    findings["log"] = done.stderr
    return findings


def has_ours(tables: dict[str, list[str]]) -> bool:
    return {"flagos", "fl"} <= set(tables["DEVICES"]) and all(set(keys) <= set(tables[t]) for t, keys in OURS.items())


def test_1_3_4_keys_arrive_by_the_entry_point_and_nothing_is_frozen(tmp_path: Path) -> None:
    found = run("registries", tmp_path)
    assert has_ours(found["tables"])
    assert found["again"]
    assert found["device"] == "flagos"
    # set_ai_device.py star-imports the name before it is set; it never reads it.
    assert set(found["undecided"]) <= {"lightx2v_platform.set_ai_device"}
    assert set(found["state"].values()) <= {"staging", "final"}


def test_1_the_key_fl_is_the_same_platform(tmp_path: Path) -> None:
    found = run("registries", tmp_path, PLATFORM="fl")
    assert found["device"] == "flagos"


def test_2_the_operators_of_another_platform_stay(tmp_path: Path) -> None:
    found = run("registries", tmp_path, PLATFORM="ascend_npu", SKIP_PLATFORM_CHECK="1")
    tables = found["tables"]
    assert has_ours(tables)
    assert "npu_flash_attn" in tables["ATTN_WEIGHT_REGISTER"]
    assert "int8-npu" in tables["MM_WEIGHT_REGISTER"]
    assert "npu_rms_norm" in tables["RMS_WEIGHT_REGISTER"]
    assert "npu_layer_norm" in tables["LN_WEIGHT_REGISTER"]
    assert "npu_rope" in tables["ROPE_REGISTER"]
    assert "npu_grouped_mm" in tables["FUSED_MOE_REGISTER"]


@pytest.mark.parametrize("auto", ["1", "0"])
def test_4_the_plugin_may_be_imported_first(tmp_path: Path, auto: str) -> None:
    found = run("plugin_first", tmp_path, LIGHTX2V_FL_AUTO_REGISTER=auto)
    assert has_ours(found["tables"])
    assert set(found["before"].values()) == ({"staging"} if auto == "1" else {"not registered"})


def test_4_a_failed_registration_is_completed(tmp_path: Path) -> None:
    found = run("after_a_failure", tmp_path, LIGHTX2V_FL_AUTO_REGISTER="0")
    assert found["failed"]
    assert has_ours(found["tables"])


def test_5_other_platforms_have_ours_added_and_nothing_else(tmp_path: Path) -> None:
    variables = {"PLATFORM": "cuda", "SKIP_PLATFORM_CHECK": "1", "FLAGOS_AUTOLOAD": "0"}
    without = run("registries", tmp_path, plugin=False, **variables)
    beside = run("registries", tmp_path, **variables)
    expected = {table: sorted({*keys, *OURS.get(table, [])}) for table, keys in without["tables"].items()}
    expected["DEVICES"] = sorted({*expected["DEVICES"], "flagos", "fl"})
    assert beside["tables"] == expected
    assert (beside["device"], beside["torch_fl"]) == ("cuda", False)


def test_6_16_19_20b_ours_equal_the_built_in_operators_and_tell_what_they_run_on(tmp_path: Path) -> None:
    (tmp_path / "fp32").mkdir()
    found, exact = run("against_built_in", tmp_path), run("against_built_in", tmp_path / "fp32", TINY_DTYPE="FP32")
    for case in ("t2v", "i2v", "attention and rope", "wan2.2", "five steps"):
        assert exact[case] < 1e-4, (case, exact[case])
    for case in ("t2v", "attention and rope", "wan2.2", "five steps"):
        assert found[case] < 1e-2, (case, found[case])
    # In bf16 one last place in one element of one norm moves the built-in model's own latents by 0.02 or not at all, so
    # that the bound asks for equal bits. Norms, rotation and linears have them on every x86-64-v3 CPU, attention has
    # them but for the order in which the matrix product that PyTorch calls adds, which is chosen for the CPU at hand.
    # Where that leaves no element different the bound holds; elsewhere ours are as near to fp32 as the built-in ones.
    attention = found["i2v attention"]
    assert attention["differing"] <= 0.01 * attention["elements"], attention
    if attention["differing"] == 0:
        assert found["i2v"] < 1e-2, found["i2v"]
    else:
        bf16 = torch.load(tmp_path / "i2v.pt")
        fp32 = torch.load(tmp_path / "fp32" / "i2v.pt")["theirs"]
        errors = {name: relative(latents, fp32) for name, latents in bf16.items()}
        assert errors["ours"] <= 1.25 * errors["theirs"], errors
    assert found["t2v finite"]
    assert found["i2v finite"]
    operators = {operator for operator, *_ in found["report"]}
    assert operators == {"flagos_layer_norm", "flagos", "flagos_rms_norm", "flagos_rope", "flagos_flash_attn"}
    for operator, kernels, why, fallbacks in found["report"]:
        assert why
        assert fallbacks == 0
        assert found["log"].count(f"lightx2v_fl: {operator} runs on {kernels}") == 1


def test_16_attention_and_rope_on_torch_are_the_built_in_ones_bit_for_bit(tmp_path: Path) -> None:
    found = run("against_built_in", tmp_path, LIGHTX2V_FL_KERNELS="torch")
    assert found["attention and rope"] == 0


@pytest.mark.parametrize("mode", ["1", "0"])
def test_7_strict_forbids_to_fall_back(tmp_path: Path, mode: str) -> None:
    found = run("strict", tmp_path, LIGHTX2V_FL_STRICT=mode)
    if mode == "1":
        assert "window" in found["windowed"]
        assert "LIGHTX2V_FL_STRICT" in found["windowed"]
        assert "broken" in found["failing"]
        assert found["report"] == []
    else:
        assert found["windowed"] == [8, 32]
        assert found["failing"] == [[8, 2, 16], [8, 2, 16]]
        counted = {operator: (kernels, calls, fallbacks) for operator, kernels, calls, fallbacks, _ in found["report"]}
        assert counted == {"flagos_flash_attn": ("torch", 1, 1), "flagos_rms_norm": ("torch", 2, 2)}
        assert found["log"].count("this kernel is broken") == 1


def test_8_9_10_the_device_serves_what_the_framework_asks(tmp_path: Path) -> None:
    found = run("device", tmp_path)
    assert found["device"] == "flagos"
    assert found["available"]
    assert found["missing"] == []
    for target, (whole, part, total, keys) in found["opened"].items():
        expected = "cpu" if target == "cpu" else "flagos:0"
        assert (whole, part, total, keys) == (expected, expected, 15, ["a"]), target
    assert found["load_file"] == "flagos:0"
    assert found["pinned"] == [True, True]
    assert 0 < found["free, total"][0] <= found["free, total"][1]


@pytest.mark.parametrize("dtype", ["BF16", "FP32"])
def test_17_every_load_mode_is_resident_bit_for_bit(tmp_path: Path, dtype: str) -> None:
    found = run("load_modes", tmp_path, TINY_DTYPE=dtype)
    modes = {name: same for name, same in found.items() if name != "log"}
    assert len(modes) == 15
    assert all(modes.values()), modes


def test_18_quantised_models_are_as_good_as_the_formula(tmp_path: Path) -> None:
    found = run("quantised", tmp_path)
    for row in found["errors"]:
        for scheme in ("flagos-int8", "flagos-fp8"):
            ours, formula = row[scheme]
            assert ours <= 1.1 * formula, (scheme, row)
        assert row["flagos"] <= 0.03
    assert found["refused"] == ["flagos-int4", "int8", "Default"]


@pytest.mark.parametrize(
    ("variables", "limit"),
    [({"DTYPE": "FP16"}, 1e-2), ({"SENSITIVE_LAYER_DTYPE": "FP32"}, 3e-2)],
    ids=["fp16", "sensitive"],
)
def test_19_dtypes(tmp_path: Path, variables: dict[str, str], limit: float) -> None:
    found = run("dtypes", tmp_path, **variables)
    assert found["finite"]
    assert found["relative"] < limit, found["relative"]


def test_21_the_runner_makes_a_video(tmp_path: Path) -> None:
    found = run("runner", tmp_path)
    assert found["shape"] == [5, 32, 32, 3]
    assert found["finite"]
    assert found["spread"] > 0
    assert found["repeats"]
    assert found["against built-in"] < 1e-2


def test_22_shipped_configs_load_and_name_what_there_is(tmp_path: Path) -> None:
    found = run("configs", tmp_path)
    files = {name: told for name, told in found.items() if name != "log"}
    assert set(files) == {
        "wan_t2v_flagos.json", "wan_t2v_flagos_int8.json", "wan_t2v_flagos_fp8.json", "wan_i2v_flagos.json",
        "wan_t2v_flagos_2ranks.json",
    }  # fmt: skip
    for name, told in files.items():
        assert told["unknown"] == {}, name
        assert told["modulate"] == "torch", name


def test_24_a_dynamic_lora_does_what_it_does_on_the_built_in_linear(tmp_path: Path) -> None:
    found = run("lora", tmp_path)
    for step in ("registered", "changed", "removed"):
        same, change = found[step]
        assert same, step
        assert (change > 1e-3) == (step != "removed") or step == "removed"
    assert found["block offload"]


def test_25_global_gems_acts_for_flagos_alone(tmp_path: Path) -> None:
    asked = {"LIGHTX2V_FL_GLOBAL_GEMS": "1", "LIGHTX2V_FL_GEMS_UNUSED": " softmax , mm.out"}
    found = run("global_gems", tmp_path, **asked)
    if any(found["targets"].values()):
        assert any(rule.startswith("* = flagos") for rule in found["rules"])
        assert sum("softmax = cpu" in rule or "mm.out = cpu" in rule for rule in found["rules"]) == 2
    else:
        assert found["rules"] == []
        assert found["log"].count("LIGHTX2V_FL_GLOBAL_GEMS=1 changes nothing") == 1
    elsewhere = run("global_gems", tmp_path, PLATFORM="cuda", SKIP_PLATFORM_CHECK="1", FLAGOS_AUTOLOAD="0", **asked)
    assert elsewhere["torch_fl"] is False


def test_the_patch_for_lightx2v_applies_and_its_test_passes_and_fails_without(tmp_path: Path) -> None:
    shutil.copytree(Path(CHECKOUT) / "lightx2v_platform", tmp_path / "lightx2v_platform")
    patch = ROOT / "contrib" / "lightx2v" / "load_plugins_once.patch"

    def apply(*options: str) -> None:
        command = ["git", "apply", "--unidiff-zero", *options, str(patch)]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "GIT_DIR": "/dev/null"}
        )
        assert done.returncode == 0, done.stderr

    def passes() -> bool:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_cases"]
        environment = {**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True).returncode == 0

    apply("--include=test_cases/*")
    assert not passes()
    apply("--include=lightx2v_platform/*")
    assert passes()
