"""Random programs, compiled and interpreted, and what they stored compared.

    python -m tests.triton.random_check COUNT [SEED]

checks so many programs and says how many of them met each lowering rule; status 1 when a rule was met by fewer than
twenty, which is what a full run of 5,000 programs must not show.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import torch

from tests.triton import lowering_rules
from tests.triton.random_programs import WRITTEN

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
    """How many programs met each rule; AssertionError with the source of one that stored something else."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = stored(folder, seed, count, interpret=False)
        interpreted = stored(folder, seed, count, interpret=True)
    assert len(compiled) == len(interpreted) == count
    met: Counter[str] = Counter()
    for (source, ours, tile_ir), (_, theirs, _) in zip(compiled, interpreted, strict=True):
        for name, mine, other in zip(WRITTEN, ours, theirs, strict=True):
            tolerance = 2e-3 if mine.is_floating_point() else 0
            torch.testing.assert_close(
                mine, other, rtol=tolerance, atol=tolerance, equal_nan=True,
                msg=lambda text, n=name, s=source: f"{n}: {text}\n{s}",
            )  # fmt: skip
        met.update(lowering_rules.met(tile_ir))
    return met


def main() -> int:
    count = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    met = Counter(dict.fromkeys(lowering_rules.REQUIRED, 0))
    for done in range(0, count, BATCH):
        met += check(seed + done // BATCH, min(BATCH, count - done))
        print(f"{min(done + BATCH, count)} programs", flush=True)
    for rule, programs in sorted(met.items(), key=lambda item: item[1]):
        print(f"{programs:6} {rule}")
    rare = [rule for rule in lowering_rules.REQUIRED if met[rule] < LEAST]
    print(f"{count} programs stored what the interpreter stored; {len(lowering_rules.REQUIRED)} rules are required")
    if rare:
        print(f"met by fewer than {LEAST} programs: {', '.join(rare)}")
    return 1 if rare else 0


if __name__ == "__main__":
    sys.exit(main())
