"""What compiled kernels store is what Triton's interpreter stores, over random programs."""

import os
import subprocess
import sys
from pathlib import Path

import torch

COUNT = 40


def stored(folder, name, interpret):
    output = Path(folder) / name
    environment = {**os.environ, "TRITON_INTERPRET": "1" if interpret else "0"}
    command = [sys.executable, "-m", "tests.triton.random_programs", "1", str(COUNT), str(output)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return torch.load(output)


def test_random_programs_store_what_the_interpreter_stores(tmp_path):
    compiled = stored(tmp_path, "compiled.pt", interpret=False)
    interpreted = stored(tmp_path, "interpreted.pt", interpret=True)
    assert len(compiled) == COUNT
    for (source, ours), (_, theirs) in zip(compiled, interpreted, strict=True):
        torch.testing.assert_close(
            ours[0], theirs[0], rtol=2e-3, atol=2e-3, equal_nan=True, msg=lambda text, s=source: f"{text}\n{s}"
        )
        assert torch.equal(ours[1], theirs[1]), source
