"""What the host driver cannot show: the same programs on an asynchronous device whose memory the host cannot read,
and with the same random numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .process import output_of

ROOT = Path(__file__).resolve().parents[2]

DRAWS = """
    import hashlib
    import torch, torch_fl
    torch.manual_seed(7)
    digest = hashlib.sha256()
    def draw(t):
        digest.update(t.contiguous().cpu().view(torch.uint8).numpy().tobytes())
    on = dict(device="flagos")
    for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
        x = torch.empty(1001, dtype=dtype, **on)
        for fill in (x.uniform_, x.normal_, x.exponential_, x.cauchy_, x.log_normal_):
            draw(fill())
        draw(x.bernoulli_(0.3)), draw(x.geometric_(0.3)), draw(x.random_())
    draw(torch.randperm(999, **on)), draw(torch.randint(-5, 17, (777,), **on))
    draw(torch.multinomial(torch.rand(5, 50, **on), 20)), draw(torch.rand(8, 9, **on).t().uniform_())
    draw(torch.nn.functional.dropout(torch.ones(1000, **on), 0.4))
    draw(torch.nn.functional.rrelu(-torch.ones(100, **on), training=True))
    torch.set_num_threads({threads})
    draw(torch.randn(300000, **on)), draw(torch.rand(300000, **on))
    print(digest.hexdigest())
"""


def test_random_numbers_are_the_same_on_host_and_sim_with_one_thread_and_two() -> None:
    digests = {
        output_of(DRAWS.format(threads=threads), FLAGOS_DRIVER=driver, FLAGOS_RNG=None)
        for driver in ("host", "sim")
        for threads in (1, 2)
    }
    assert len(digests) == 1


@pytest.mark.parametrize(
    "file", ["test_copies.py", "test_streams.py", "test_memory.py", "test_random.py", "test_interop.py"]
)
def test_the_files_of_the_host_pass_on_sim(file: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(Path("tests/python") / file)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "FLAGOS_DRIVER": "sim"}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
