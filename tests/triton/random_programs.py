"""Random tile programs: the same source is compiled by this backend and run by Triton's interpreter.

    python -m tests.triton.random_programs SEED COUNT OUTPUT.pt

writes the sources, runs them with whatever Triton is asked to be (TRITON_INTERPRET), and saves what they stored. bf16
is left out: the interpreter cuts it off where hardware rounds.
"""

from __future__ import annotations

import importlib.util
import random
import re
import sys
import tempfile
from pathlib import Path

HEADER = "import triton\nimport triton.language as tl\n\n"
INPUT = 1 << 12
OPERATION = re.compile(r"\b(?:arith|math|scf|tt)\.[a-z_0-9]+")


class Program:
    """One kernel: statements over blocks of MxN floats and integers, each drawn from what has been defined so far."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.rows = self.random.choice([1, 2, 4, 8, 16])
        self.columns = self.random.choice([1, 2, 8, 16, 32, 64, 128])
        self.size = self.random.randint(1, self.rows * self.columns)
        self.floats = ["a", "b"]
        self.integers = ["i", "j"]
        self.lines: list[str] = []
        self.names = 0
        for _ in range(self.random.randint(3, 14)):
            self.statement("    ", nested=False)

    def name(self) -> str:
        self.names += 1
        return f"v{self.names}"

    def condition(self) -> str:
        pick = self.random
        if pick.random() < 0.5:
            return f"({pick.choice(self.floats)} {pick.choice(['<', '>=', '!='])} {pick.choice(self.floats)})"
        return f"(({pick.choice(self.integers)} & 3) == {pick.randint(0, 3)})"

    def float_value(self) -> str:
        pick = self.random
        x, y, i = pick.choice(self.floats), pick.choice(self.floats), pick.choice(self.integers)
        return pick.choice([
            f"{x} + {y}", f"{x} - {y}", f"{x} * 0.5 + {y} * 0.25", f"tl.maximum({x}, {y})", f"tl.minimum({x}, {y})",
            f"tl.abs({x})",
            f"tl.where({self.condition()}, {x}, {y})", f"tl.exp(-tl.abs({x}))", f"tl.sqrt(tl.abs({x}))", f"tl.sin({x})",
            f"tl.floor({x})", f"{x} / (1.0 + tl.abs({y}))", f"({i} & 255).to(tl.float32)",
            f"{x}.to(tl.float16).to(tl.float32)",
            f"{x} + tl.sum({y} * 0.01, axis=1)[:, None]",
            f"{x} - tl.max({y}, axis=0)[None, :]", f"{x} * 0.5 + tl.min({y}, axis=1)[:, None] * 0.5",
            f"tl.cumsum({x} * 0.01, axis={pick.randint(0, 1)})", "scale + " + x,
            f"tl.trans(tl.reshape({x}, (N, M)))", f"tl.load(x + ({i} & {INPUT - 1}))",
            f"tl.load(y + r * N + c, mask={self.condition()}, other=0.5)",
            f"tl.exp2(-tl.abs({x}))", f"tl.log(1.0 + tl.abs({x}))", f"tl.log2(1.0 + tl.abs({x}))", f"tl.cos({x})",
            f"tl.math.erf({x})", f"tl.rsqrt(1.0 + tl.abs({x}))", f"tl.ceil({x})", f"tl.fma({x}, 0.5, {y})",
            f"tl.div_rn({x}, 2.0 + tl.abs({y}))", f"tl.sqrt_rn(tl.abs({x}))", f"-{x}",
            f"tl.gather({x}, {i} & (N - 1), axis=1)", f"tl.cumsum({x} * 0.01, axis=1, reverse=True)",
            f"tl.flip({x}, 1)",
            f"{x}.to(tl.float64).to(tl.float32)", f"({i} & 255).to(tl.uint32).to(tl.float32)",
            f"tl.where((({i} & 1) == 0), {x}, tl.sum({y} * 0.01, axis=0)[None, :])",
            # Longer rows take seconds to compile.
            f"tl.sort({x} + 0.0, dim=1)" if self.columns <= 8 else f"tl.ceil({y})",
        ])  # fmt: skip

    def integer_value(self) -> str:
        pick = self.random
        i, j, x = pick.choice(self.integers), pick.choice(self.integers), pick.choice(self.floats)
        return pick.choice([
            f"{i} + {j}", f"{i} - {j}", f"{i} * {j}", f"{i} & {j}", f"{i} | {j}", f"{i} ^ {j}",
            f"{i} << {pick.randint(0, 5)}",
            f"{i} >> {pick.randint(0, 5)}", f"{i} // {pick.choice([1, 2, 3, 7, 16])}",
            f"{i} % {pick.choice([1, 2, 3, 7, 16])}",
            f"tl.where({self.condition()}, {i}, {j})", f"tl.minimum({i}, {j})", f"tl.maximum({i}, {j})", f"{i} + n",
            f"(tl.abs({x}) * 8).to(tl.int32)", f"{i}.to(tl.int8).to(tl.int32)",
            f"({i} & 1023) + tl.sum({j} & 7, axis=1)[:, None]",
            f"({i} & 1023) + tl.argmax({x}, axis=0)[None, :]", f"({i} & 1023) + tl.argmin({x}, axis=1)[:, None]",
            f"tl.umulhi({i}.to(tl.uint32), {j}.to(tl.uint32)).to(tl.int32)", f"tl.abs({i})",
            f"({i}.to(tl.uint32) // {pick.choice([1, 3, 8, 1000])}).to(tl.int32)",
            f"({i}.to(tl.uint32) % {pick.choice([1, 3, 8, 1000])}).to(tl.int32)",
            f"({i}.to(tl.uint32) >> {pick.randint(0, 9)}).to(tl.int32)",
            f"({i}.to(tl.int64) * {j}).to(tl.int32)", f"({i} & 1023) + tl.max({j} & 7, axis=0)[None, :]",
            f"({i} & 1023) + tl.xor_sum({j}, axis=1)[:, None]", f"({i} < {j}).to(tl.int32)",
            f"tl.minimum({i}.to(tl.uint32), {j}.to(tl.uint32)).to(tl.int32)", f"{x}.to(tl.int32, bitcast=True) & 4095",
        ])  # fmt: skip

    def statement(self, indent: str, nested: bool) -> None:
        pick = self.random
        kind = pick.random()
        if kind < 0.06 and not nested:
            carried = self.name()
            self.lines.append(f"{indent}{carried} = {pick.choice(self.floats)}")
            self.lines.append(f"{indent}for step in range(0, COUNT):")
            self.lines.append(f"{indent}    {carried} = {carried} * 0.5 + tl.load(x + (i & 1023) + step)")
            self.floats.append(carried)
        elif kind < 0.12 and not nested:
            carried = self.name()
            self.lines.append(f"{indent}{carried} = {pick.choice(self.floats)}")
            self.lines.append(f"{indent}if n > {pick.choice([0, 1000000])}:")
            self.lines.append(f"{indent}    {carried} = {self.float_value()}")
            self.floats.append(carried)
        elif kind < 0.15 and not nested:
            counted = self.name()
            self.lines.append(f"{indent}{counted} = {pick.choice(self.integers)} & 15")
            left = self.name()
            self.lines.append(f"{indent}{left} = tl.max(tl.max({counted}, 1), 0)")
            self.lines.append(f"{indent}while {left} > 3:")
            self.lines.append(f"{indent}    {counted} = {counted} + {left}")
            self.lines.append(f"{indent}    {left} = {left} // 2")
            self.integers.append(counted)
        elif kind < 0.17:
            number = pick.choice(["atomic_add", "atomic_max", "atomic_or", "atomic_xor"])
            place, value = pick.choice(self.integers), pick.choice(self.integers)
            self.lines.append(f"{indent}tl.{number}(tally + ({place} & 7), {value}, mask={self.condition()})")
        elif kind < 0.2:
            self.lines.append(f"{indent}tl.store(out + r * N + c, {pick.choice(self.floats)}, mask={self.condition()})")
            back = self.name()
            self.lines.append(f"{indent}{back} = tl.load(out + r * N + c)")
            self.floats.append(back)
        elif kind < 0.7:
            value, name = self.float_value(), self.name()
            self.lines.append(f"{indent}{name} = tl.clamp({value}, -1000.0, 1000.0)")
            self.floats.append(name)
        else:
            value, name = self.integer_value(), self.name()
            self.lines.append(f"{indent}{name} = {value}")
            self.integers.append(name)

    def source(self, number: int) -> str:
        body = "\n".join(self.lines)
        return (
            f"@triton.jit\ndef program_{number}(x, y, p, q, out, whole, tally, n, scale, COUNT: tl.constexpr, "
            "M: tl.constexpr, N: tl.constexpr):\n"
            "    r = tl.arange(0, M)[:, None]\n    c = tl.arange(0, N)[None, :]\n    mask = r * N + c < n\n"
            "    a = tl.load(x + r * N + c, mask=mask, other=0.0)\n    b = tl.load(y + c + r * 3)\n"
            "    i = tl.load(p + r * N + c, mask=mask, other=7)\n    j = tl.load(q + c * M + r)\n"
            f"{body}\n"
            f"    tl.store(out + r * N + c, {self.floats[-1]} + {self.random.choice(self.floats)}, mask=mask)\n"
            f"    tl.store(whole + r * N + c, {self.integers[-1]})\n\n\n"
        )


def run(seed: int, count: int) -> list[tuple[str, list, list[str]]]:
    """Each program's source, the blocks that it stored, and the operations of its tile IR."""
    import torch

    programs = [Program(seed * 100_000 + number) for number in range(count)]
    sources = [program.source(number) for number, program in enumerate(programs)]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "programs.py"
        path.write_text(HEADER + "".join(sources))
        spec = importlib.util.spec_from_file_location("programs", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for number, program in enumerate(programs):
            torch.manual_seed(number)
            x, y = torch.randn(2 * INPUT), torch.randn(2 * INPUT)
            p, q = (torch.randint(-1000, 1000, (INPUT,), dtype=torch.int32) for _ in range(2))
            size = program.rows * program.columns
            out, whole = torch.zeros(size + 32), torch.zeros(size + 32, dtype=torch.int32)
            kernel = getattr(module, f"program_{number}")
            tally = torch.zeros(8, dtype=torch.int32)
            shape = {"M": program.rows, "N": program.columns}
            compiled = kernel[(1,)](x, y, p, q, out, whole, tally, program.size, 0.5, COUNT=3, **shape)
            # The interpreter compiles nothing.
            operations = OPERATION.findall(compiled.asm["tile"]) if hasattr(compiled, "asm") else []
            results.append((sources[number], [out, whole, tally], operations))
    return results


if __name__ == "__main__":
    import torch

    torch.save(run(int(sys.argv[1]), int(sys.argv[2])), sys.argv[3])
