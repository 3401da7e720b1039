"""The `flagos` command: what it prints for people and machines, and how it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from flagos import cli, core, environment
from flagos.commands import doctor

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_variables_is_current() -> None:
    page = ROOT / "docs" / "environment.md"
    assert page.read_text() == environment.as_markdown(core.environment()), (
        "run: flagos doctor --env --markdown > docs/environment.md"
    )


def test_every_variable_says_what_it_does() -> None:
    for variable in core.environment():
        assert variable.type in ("flag", "int", "bytes", "path", "word", "list", "text")
        assert variable.help.endswith(".")


def test_doctor_tells_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["problems"] == []
    assert told["packages"]["torch"] == torch.__version__
    assert {driver["name"] for driver in told["drivers"]} >= {"host"}
    assert told["devices"][0]["name"] == torch.flagos.get_device_name(0)
    assert {target["name"] for target in told["targets"]} >= {"cpu", "flagos", "cuda"}
    for driver in told["drivers"]:
        assert (driver["status"] == "ok") == (driver["reason"] == "")
    assert cli.main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert told["devices"][0]["name"] in text
    assert "PROBLEM" not in text


def test_doctor_shows_variables(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--env"]) == 0
    assert "FLAGOS_DRIVER  (list" in capsys.readouterr().out
    assert cli.main(["doctor", "--env", "--json"]) == 0
    assert {row["name"] for row in json.loads(capsys.readouterr().out)} >= {"FLAGOS_STRICT", "FLAGOS_LIBRARY_DIR"}


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-m", "flagos", *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_doctor_works_where_the_device_does_not(tmp_path: Path) -> None:
    broken = run("doctor", FLAGOS_DRIVER="toaster")
    assert broken.returncode == 1
    assert "PROBLEM" in broken.stdout
    assert "toaster" in broken.stdout
    missing = run("doctor", "--json", FLAGOS_LIBRARY_DIR=str(tmp_path))
    assert missing.returncode == 1
    assert str(tmp_path) in json.loads(missing.stdout)["problems"][0]


def test_routes_lists_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["routes", "addm*"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("addmm ")
    assert lines[-1].endswith("on cpu")
    assert cli.main(["routes", "addmm", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["runs"] == "cpu"


def test_explain_takes_operands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "mm", "float32[2,3]", "float32[3,4]", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["operator"], told["runs"]) == ("mm", "cpu")
    assert cli.main(["explain", "add.Tensor"]) == 0
    assert "cpu" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["routes", "no_such_*"], "no operator matches 'no_such_*'"),
        (["routes", "--driver", "toaster"], "toaster"),
        (["explain", "mmm"], "Did you mean 'mm'"),
        (["explain", "mm", "float99[2]"], "'float99[2]' is no tensor"),
        (["explain", "mm", "2x3"], "'2x3' is no tensor"),
        (["doctor", "--markdown"], "--markdown is for --env"),
    ],
)
def test_what_it_cannot_do_is_one_line(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("flagos: ")
    assert text in said.err


def test_help_needs_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "flagos", "explain", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert "float32[2,3]" in done.stdout
    assert " torch\n" not in done.stderr


def test_a_reader_that_leaves_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "flagos", "routes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""


def test_the_processor_is_read() -> None:
    assert doctor.examine()["cpu"]["name"]
