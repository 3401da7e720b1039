"""Mutated modules that the verifier accepts and the compiler lowers: LLVM takes what comes out, in child processes.

    python -m tests.triton.mutated_modules COUNT [SEED]

Text that LLVM refuses ends its process, so a child compiles a batch and says after each which one is done.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from flagos.triton import llvm, native

KERNELS = Path(__file__).parents[1] / "compiler" / "kernels"
LONGEST = 6000  # bytes of a seed; larger kernels add time, not cases
BATCH = 50
END = "; end of a module\n"
#: A line of words that take the same operands: any for any other is mostly a module that is accepted.
ALIKE = """
arith.addi arith.subi arith.muli arith.andi arith.ori arith.xori arith.minsi arith.minui arith.maxsi arith.maxui
arith.divsi arith.divui arith.remsi arith.remui arith.shli arith.shrsi arith.shrui arith.muli arith.subi
arith.addf arith.subf arith.mulf arith.divf arith.remf arith.minnumf arith.maxnumf arith.minimumf arith.maximumf
math.absf math.exp math.exp2 math.log math.log2 math.sin math.cos math.erf math.sqrt math.rsqrt math.floor math.ceil
eq ne slt sle sgt sge ult ule ugt uge
oeq ogt oge olt ole one ord ueq une uno
"""
KINDS = {word: line.split() for line in ALIKE.splitlines() for word in line.split()}
#: Such a word, or the number of a constant.
LIKE = re.compile(
    r"(?<![\w.])(?:" + "|".join(map(re.escape, KINDS)) + r")(?![\w.])|(?<=dense<)-?\d+(?=>)|(?<=constant )-?\d+(?= )"
)
NUMBERS = ["0", "1", "2", "3", "5", "7", "8", "16", "31", "64", "100", "255", "1024", "-1", "-8"]


def mutants(seed: int) -> Iterator[str]:
    """Kernels with one to three lines changed, without end: an operation for its like, a number for a number, or a word
    for a word that begins alike, which is mostly refused."""
    pick = random.Random(seed)
    seeds = [text.splitlines() for path in sorted(KERNELS.glob("*.ttir")) if len(text := path.read_text()) <= LONGEST]
    words = [word for lines in seeds for line in lines for word in line.split()]
    alike: dict[str, list[str]] = {}
    for word in words:
        alike.setdefault(word[0], []).append(word)
    while True:
        lines = list(pick.choice(seeds))
        for _ in range(pick.randint(1, 3)):
            at = pick.randrange(len(lines))
            parts = lines[at].split()
            way = pick.random()
            if way > 0.5:  # where there is something to change for its like
                fitting = [i for i, line in enumerate(lines) if LIKE.search(line)]
                at = pick.choice(fitting) if fitting else at
                lines[at] = LIKE.sub(lambda found: pick.choice(KINDS.get(found[0], NUMBERS)), lines[at], count=1)
                continue
            if way < 0.1:
                lines[at] = lines[pick.randrange(len(lines))]
            elif way < 0.15:
                del lines[at]
            elif parts:
                place = pick.randrange(len(parts))
                parts[place] = pick.choice(alike.get(parts[place][0], parts))
                lines[at] = " ".join(parts)
        yield "\n".join(lines) + "\n"


def lowered(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """(module, LLVM IR) of so many mutants that were accepted and differ from the seeds and from one another."""
    seen: set[str] = set()
    for text in mutants(seed):
        try:
            program = native.Program(text)
        except native.CompileError:
            continue
        if program.llvm_ir in seen:
            continue
        seen.add(program.llvm_ir)
        yield text, program.llvm_ir
        if len(seen) == count:
            return


def refused(batch: list[tuple[str, str]]) -> tuple[str, str] | None:
    """The first module whose LLVM IR a child process did not survive, with what was said there."""
    command = [sys.executable, "-m", "tests.triton.mutated_modules", "--child"]
    child = subprocess.run(
        command, input=END.join(text for _, text in batch), capture_output=True, text=True, check=False
    )
    done = child.stdout.count("done\n")
    if child.returncode == 0 and done == len(batch):
        return None
    return batch[done][0], child.stderr


def check(count: int, seed: int, tell: Callable[[int], None] | None = None) -> int:
    """How many modules LLVM took; AssertionError with the first that it refused. `tell` hears how many so far."""
    batch: list[tuple[str, str]] = []
    taken = 0
    for number, pair in enumerate(lowered(count, seed), 1):
        batch.append(pair)
        if len(batch) == BATCH or number == count:
            bad = refused(batch)
            assert bad is None, f"LLVM refused what this module became:\n{bad[0]}\n{bad[1]}"
            taken += len(batch)
            batch.clear()
            if tell is not None:
                tell(taken)
    return taken


def child() -> None:
    target = native.host_target()
    for text in sys.stdin.read().split(END):
        llvm.compile_object(text, target)
        print("done", flush=True)


def main() -> None:
    if sys.argv[1] == "--child":
        return child()

    def tell(so_far: int) -> None:
        if so_far % 1000 == 0:
            print(f"{so_far} modules", flush=True)

    taken = check(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1, tell)
    return print(f"{taken} mutated modules were lowered to LLVM IR that LLVM took")


if __name__ == "__main__":
    main()
