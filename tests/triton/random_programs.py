"""Random tile programs: the same source is compiled by this backend and run by Triton's interpreter.

    python -m tests.triton.random_programs SEED COUNT OUTPUT.pt

writes the sources, runs them with whatever Triton is asked to be (TRITON_INTERPRET), and saves what they stored. What a
program may say is in program_forms.py.
"""

from __future__ import annotations

import importlib.util
import random
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.triton import program_forms as forms

INPUT = 1 << 14  # elements: more than any program reads
HOLE = re.compile(r"\{(\w+)\}")


class Program:
    """One kernel: statements over blocks of MxN floats and integers, each drawn from what has been defined so far."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.rows = self.random.choice([1, 2, 4, 8, 16, 32])
        self.columns = self.random.choice([1, 2, 8, 16, 32, 64, 128, 256])
        self.depth = self.random.choice([1, 2, 4, 8, 16, 32])
        self.programs = self.random.choice([1, 1, 2, 3])
        self.size = self.random.randint(1, self.rows * self.columns)
        self.stride = self.random.choice([1, 2, 3])
        self.floats = ["a", "b"]
        self.exact = ["a", "b"]  # those whose bits the interpreter has too
        self.rounded = False  # whether the form that was filled last has other operands
        self.integers = ["i", "j"]
        self.lines: list[str] = []
        self.names = 0
        if self.random.random() < 0.05:
            self.lines += ["if n > 1000000:", "    return"]
        for _ in range(self.random.randint(3, 14)):
            self.statement()

    def filled(self, form: str, **fixed: str) -> str:
        """A form with its holes filled: each name once, but a nested expression anew at each place."""
        drawn = dict(fixed)

        def fill(hole: re.Match[str]) -> str:
            name = hole[1]
            if name == "float":
                return self.filled(self.random.choice(self.float_forms()))
            if name not in drawn:
                drawn[name] = self.drawn(name)
            if name in ("x", "y") and drawn[name] not in self.exact:
                self.rounded = True
            return drawn[name]

        return HOLE.sub(fill, form)

    def drawn(self, name: str) -> str:
        pick = self.random
        if name in ("x", "y"):
            return pick.choice(self.floats)
        if name in ("e", "f"):
            return pick.choice(self.exact)
        if name in ("i", "j"):
            return pick.choice(self.integers)
        if name == "condition":
            return self.filled(pick.choice(forms.CONDITIONS))
        return pick.choice(forms.CHOICES[name])

    def float_forms(self) -> list[str]:
        paired = forms.PAIRED_FLOAT if self.columns >= 2 else []
        return forms.EXACT_FLOAT + forms.ROUNDED_FLOAT + paired + (forms.SHORT_FLOAT if self.columns <= 8 else [])

    def statement(self) -> None:
        pick = self.random
        self.names += 1
        name = f"v{self.names}"
        kind = pick.random()
        if kind < 0.15:
            self.lines += self.filled(pick.choice(forms.FLOAT_STATEMENTS), new=name).split("\n")
            self.lines.append(f"{name} = tl.clamp({name}, -1000.0, 1000.0)")
            self.floats.append(name)
        elif kind < 0.27:
            self.lines += self.filled(pick.choice(forms.INTEGER_STATEMENTS), new=name).split("\n")
            self.integers.append(name)
        elif kind < 0.7:
            form = pick.choice(self.float_forms())
            self.rounded = form in forms.ROUNDED_FLOAT
            self.lines.append(f"{name} = tl.clamp({self.filled(form)}, -1000.0, 1000.0)")
            self.floats.append(name)
            if not self.rounded:
                self.exact.append(name)
        else:
            self.lines.append(f"{name} = {self.filled(pick.choice(forms.EVERY_INTEGER))}")
            self.integers.append(name)

    def source(self, number: int, interpreted: bool) -> str:
        # The interpreter cannot count to a number that is an argument.
        few = "few: tl.constexpr" if interpreted else "few"
        body = "\n".join("    " + line for line in self.lines)
        return (
            f"@triton.jit(debug=True)\ndef program_{number}(x, y, p, q, out, whole, half, bytes, flags, sums, tally, "
            f"cells, wide, n, scale, stride, {few}, INTERPRETED: tl.constexpr, COUNT: tl.constexpr, "
            "SPAN: tl.constexpr, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr):\n"
            "    r = tl.arange(0, M)[:, None]\n    c = tl.arange(0, N)[None, :]\n    mask = r * N + c < n\n"
            "    k = tl.arange(0, K)[None, :]\n    kt = tl.arange(0, K)[:, None]\n    cell = 8 + r * N + c\n"
            # Each program has parts of its own in what is written, so that their order does not matter.
            + "".join(f"    {name} += tl.program_id(0) * SPAN\n" for name in WRITTEN)
            + "    a = tl.load(x + r * N + c + tl.program_id(0) * 8, mask=mask, other=0.0)\n"
            "    b = tl.load(y + c + r * 3)\n    i = tl.load(p + r * N + c, mask=mask, other=7)\n"
            f"    j = tl.load(q + c * M + r)\n{body}\n"
            f"    tl.store(out + r * N + c, {self.floats[-1]} + {self.random.choice(self.floats)}, mask=mask)\n"
            f"    tl.store(whole + r * N + c, {self.integers[-1]})\n\n\n"
        )


#: What a program writes, by the name of its argument.
WRITTEN = ("out", "whole", "half", "bytes", "flags", "sums", "tally", "cells", "wide")


def run(seed: int, count: int) -> list[tuple[str, list[Any], str]]:
    """Each program's source, the tensors of WRITTEN after it, and its tile IR ("" from the interpreter)."""
    import torch
    import triton

    types = dict(zip(WRITTEN, (torch.float32, torch.int32, torch.float16, torch.int8, torch.bool, torch.float32,
                               torch.int32, torch.int32, torch.int64), strict=True))  # fmt: skip
    interpreted = triton.knobs.runtime.interpret
    programs = [Program(seed * 100_000 + number) for number in range(count)]
    sources = [program.source(number, interpreted) for number, program in enumerate(programs)]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "programs.py"
        path.write_text(forms.HEADER + "".join(sources))
        spec = importlib.util.spec_from_file_location("programs", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for number, program in enumerate(programs):
            torch.manual_seed(number)
            x, y = torch.randn(INPUT), torch.randn(INPUT)
            p, q = (torch.randint(-1000, 1000, (INPUT,), dtype=torch.int32) for _ in range(2))
            span = program.rows * program.columns + 32
            written = [torch.zeros(program.programs * span, dtype=dtype) for dtype in types.values()]
            kernel = getattr(module, f"program_{number}")
            compiled = kernel[(program.programs,)](
                x, y, p, q, *written, program.size, 0.5, program.stride, program.size & 3, COUNT=3, SPAN=span,
                INTERPRETED=interpreted, M=program.rows, N=program.columns, K=program.depth,
            )  # fmt: skip
            # The interpreter compiles nothing.
            results.append((sources[number], written, compiled.asm["tile"] if hasattr(compiled, "asm") else ""))
    return results


if __name__ == "__main__":
    import torch

    torch.save(run(int(sys.argv[1]), int(sys.argv[2])), sys.argv[3])
