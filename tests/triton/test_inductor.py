"""torch.compile by Inductor's Triton code: `torch._inductor.config.cpu_backend = "triton"` for cpu tensors, the same
as an option of torch.compile for flagos tensors. Needs no C++ compiler."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What goes through all of the path on flagos; on cpu everything does.
SAMPLE = ("pointwise", "softmax", "layer norm", "index", "matmul with epilogue", "dynamic", "dropout", "qwen3")


@pytest.mark.parametrize(("device", "names"), [("cpu", ()), ("flagos", SAMPLE)])
def test_compiled_functions_equal_eager_and_launch_our_kernels(device, names, tmp_path):
    environment = {
        **os.environ,
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "inductor"),
        "TRITON_CACHE_DIR": str(tmp_path / "triton"),
        "CXX": "no-compiler-is-needed",
    }
    output = tmp_path / "failures.json"
    command = [sys.executable, "-m", "tests.triton.inductor_programs", device, str(output), *names]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    failures = json.loads(output.read_text())
    assert len(failures) == (len(names) or 47)
    assert {name: text for name, text in failures.items() if text is not None} == {}
