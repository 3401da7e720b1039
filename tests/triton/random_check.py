"""Random programs, compiled and interpreted, and what they stored compared.

    python -m tests.triton.random_check COUNT [SEED]

checks so many programs and says how often each operation was lowered; status 1 when one of them was met less than
twenty times, which is what a full run of 5,000 programs must show.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import torch

BATCH = 250  # programs a process
LEAST = 20


def stored(folder: str, seed: int, count: int, interpret: bool) -> list:
    output = Path(folder) / ("interpreted.pt" if interpret else "compiled.pt")
    environment = {**os.environ, "TRITON_INTERPRET": "1" if interpret else "0"}
    command = [sys.executable, "-m", "tests.triton.random_programs", str(seed), str(count), str(output)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return torch.load(output)


def check(seed: int, count: int) -> Counter[str]:
    """How many programs held each operation; AssertionError with the source of one that stored something else."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = stored(folder, seed, count, interpret=False)
        interpreted = stored(folder, seed, count, interpret=True)
    assert len(compiled) == len(interpreted) == count
    met: Counter[str] = Counter()
    for (source, ours, operations), (_, theirs, _) in zip(compiled, interpreted, strict=True):
        torch.testing.assert_close(
            ours[0], theirs[0], rtol=2e-3, atol=2e-3, equal_nan=True, msg=lambda text, s=source: f"{text}\n{s}"
        )
        assert torch.equal(ours[1], theirs[1]), source
        assert torch.equal(ours[2], theirs[2]), source
        met.update(set(operations))
    return met


def main() -> int:
    count = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    met: Counter[str] = Counter()
    for done in range(0, count, BATCH):
        met += check(seed + done // BATCH, min(BATCH, count - done))
        print(f"{min(done + BATCH, count)} programs", flush=True)
    for operation, programs in sorted(met.items(), key=lambda item: item[1]):
        print(f"{programs:6} {operation}")
    return 1 if min(met.values()) < LEAST else 0


if __name__ == "__main__":
    sys.exit(main())
