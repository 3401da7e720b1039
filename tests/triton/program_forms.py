"""What a random tile program may say: expressions and statements over blocks of MxN, as text with holes.

Holes: {x} {y} floats, {e} {f} floats whose bits are the same on both sides, {i} {j} integers, {condition} a block of
truth values, the others drawn from CHOICES. Every expression has a block of MxN as its value. What jumps (a comparison,
a whole part) is done to {e} alone, for a difference in the last place would otherwise become one in the first; what is
multiplied, summed or used as an index is held small. Where the interpreter differs from hardware by definition (it cuts
bf16 off instead of rounding) values are used that both hold exactly.
"""

from __future__ import annotations

HEADER = """import triton
import triton.language as tl


@triton.jit
def as_bf16(v, INTERPRETED: tl.constexpr):
    if INTERPRETED:
        return v
    else:
        return v.to(tl.bfloat16)


@triton.jit
def known(v):
    return tl.where(v == v, v, 3.0)


@triton.jit
def shifted_product(a, b):
    return a + b + a * b


@triton.jit
def larger(a, b):
    return tl.where(a > b, a, b)


@triton.jit
def recurrence(a1, b1, a2, b2):
    return a1 * a2, a2 * b1 + b2


@triton.jit
def moments(m1, s1, w1, m2, s2, w2):
    w = w1 + w2
    d = m2 - m1
    return m1 + d * (w2 / w), s1 + s2 + d * d * (w1 * w2 / w), w


@triton.jit
def swapped_pairs(v, M: tl.constexpr, N: tl.constexpr):
    first, second = tl.split(tl.reshape(v, (M, N // 2, 2)))
    return tl.reshape(tl.join(second, first * 0.5), (M, N))


@triton.jit
def joined_ends(v, w, M: tl.constexpr, N: tl.constexpr):
    ends = tl.cat(tl.reshape(v, (M * N,)), tl.reshape(w, (M * N,)), can_reorder=True)
    return tl.sum(tl.reshape(ends, (2, M, N)), axis=0)


"""

# Both sides give the same bits, if the operands were the same bits.
EXACT_FLOAT = [
    "{x} + {y}", "{x} - {y}", "{x} * 0.5 + {y} * 0.25", "tl.maximum({x}, {y})", "tl.minimum({x}, {y})", "tl.abs({x})",
    "tl.where({condition}, {x}, {y})", "-{x}", "scale + {x}", "tl.clamp({x}, -2.0, 3.0)", "tl.floor({e})",
    "tl.ceil({e})", "{e}.to(tl.float16).to(tl.float32)", "{x}.to(tl.float64).to(tl.float32)",
    "({i} & 255).to(tl.float32)", "({i} & 255).to(tl.uint32).to(tl.float32)",
    "({i} & 15).to(tl.float32).to(tl.float8e4nv).to(tl.float32)",
    # NaN where it is kept; the interpreter keeps it in the other kinds of minimum and maximum too, which is wrong.
    "known(tl.maximum(tl.where({condition}, float('nan'), {x}), {y}, propagate_nan=tl.PropagateNan.ALL))",
    "known(tl.minimum(tl.where({condition}, float('nan'), {x}), {y}, propagate_nan=tl.PropagateNan.ALL))",
    # Shapes, and what combines without rounding.
    "{x} - tl.max({y}, axis=0)[None, :]", "{x} * 0.5 + tl.min({y}, axis=1)[:, None] * 0.5",
    "tl.associative_scan({x}, {axis}, larger)", "tl.trans(tl.reshape({x}, (N, M)))",
    "tl.gather({x}, {i} & (N - 1), axis=1)", "tl.flip({x}, 1)", "tl.sum(tl.join({x} * 0.5, {y}), axis=2)",
    "tl.max(tl.reshape(tl.interleave({x}, {y}), (M, 2, N)), axis=1)", "joined_ends({x} * 0.5, {y}, M, N)",
    # Memory: gathered, masked, reversed, strided, by quotients, through addresses as numbers, scalars.
    "tl.load(x + ({i} & 4095))", "tl.load(y + r * N + c, mask={condition}, other=0.5)",
    "tl.load(x + r * N + (N - 1 - c))", "tl.load(y + c * {number} + r)", "tl.load(x + c * stride + r * 5)",
    "tl.load(x + (r * N + c) // {number})", "tl.load(y + (r * N + c) % {number})", "tl.load(x + r) + {x}",
    "tl.load(x + r * N + c, mask=(c < n) & (r > 1), other={x})",
    "tl.load(((x + ({i} & 1023)).to(tl.int64) + 8).to(tl.pointer_type(tl.float32)))",
    # A product of small whole numbers.
    "tl.dot(as_bf16((tl.load(p + r * K + k) & 31).to(tl.float32), INTERPRETED), "
    "as_bf16((tl.load(q + kt * N + c) & 15).to(tl.float32), INTERPRETED)) * 0.125",
]  # fmt: skip
# Each side rounds in its own way.
ROUNDED_FLOAT = [
    "tl.exp(-tl.abs({x}))", "tl.sqrt(tl.abs({x}))", "tl.sin({x})", "{x} / (1.0 + tl.abs({y}))",
    "tl.exp2(-tl.abs({x}))", "tl.log(1.0 + tl.abs({x}))", "tl.log2(1.0 + tl.abs({x}))", "tl.cos({x})",
    "tl.math.erf({x})", "tl.rsqrt(1.0 + tl.abs({x}))", "tl.fma({x}, 0.5, {y})", "tl.div_rn({x}, 2.0 + tl.abs({y}))",
    "tl.sqrt_rn(tl.abs({x}))", "{e} % (1.5 + tl.abs({f}))", "{x} + tl.exp(-tl.abs(tl.load(x + (n & 15))))",
    "{x} + tl.sum({y} * 0.01, axis=1)[:, None]",
    "tl.where((({i} & 1) == 0), {x}, tl.sum({y} * 0.01, axis=0)[None, :])",
    "{x} + tl.reduce({y} * 0.0001, {axis}, shifted_product, keep_dims=True)",
    "{x} + tl.reduce(({y} * 0.1, {y} * 0.0, {y} * 0.0 + 1.0), {axis}, moments, keep_dims=True)[0]",
    "{x} + tl.sum(tl.sum({y} * 0.001, axis=1), axis=0)",
    "tl.cumsum({x} * 0.01, axis={axis})", "tl.cumsum({x} * 0.01, axis=1, reverse=True)",
    "tl.associative_scan(({y} * 0.0 + 0.5, {x}), {axis}, recurrence)[1]",
    "tl.dot(tl.load(x + r * K + k), tl.load(y + kt * N + c), input_precision='ieee')",
    "tl.dot(tl.load(x + r + k * {number}), tl.load(y + c * K + kt), {x}, input_precision='ieee')",
    "tl.dot({x} * 0.001, tl.load(y + tl.arange(0, N)[:, None] * 3 + c), input_precision='ieee')",
    "tl.dot(tl.load(x + r * K + k).to(tl.float16), tl.load(y + kt * N + c).to(tl.float16))",
    "tl.dot(tl.load(x + r * K + k).to(tl.float64), tl.load(y + kt * N + c).to(tl.float64)).to(tl.float32)",
    "tl.sum(tl.dot(tl.reshape(tl.load(x + tl.arange(0, 2 * M)[:, None] * K + k), (2, M, K)), "
    "tl.reshape(tl.load(y + tl.arange(0, 2 * K)[:, None] * N + c), (2, K, N)), input_precision='ieee'), axis=0)",
]  # fmt: skip
# For blocks of two or more columns.
PAIRED_FLOAT = ["swapped_pairs({x}, M, N)"]
# Longer rows take seconds to compile.
SHORT_FLOAT = ["tl.sort({x} + 0.0, dim=1)"]

EVERY_INTEGER = [
    "{i} + {j}", "{i} - {j}", "{i} * {j}", "{i} & {j}", "{i} | {j}", "{i} ^ {j}", "{i} << {bit}", "{i} >> {bit}",
    "{i} // {number}", "{i} % {number}", "tl.where({condition}, {i}, {j})", "tl.minimum({i}, {j})",
    "tl.maximum({i}, {j})", "{i} + n", "(tl.abs({e}) * 8).to(tl.int32)", "{i}.to(tl.int8).to(tl.int32)",
    "(tl.abs({e}) * 8).to(tl.uint32).to(tl.int32)", "tl.abs({i})", "{i}.to(tl.uint8).to(tl.int32)",
    "{i}.to(tl.int16).to(tl.int32)", "({i} // (({j} & 15) + 1))", "({i} % (({j} & 15) + 1))",
    "tl.umulhi({i}.to(tl.uint32), {j}.to(tl.uint32)).to(tl.int32)",
    "({i}.to(tl.uint32) // {number}).to(tl.int32)", "({i}.to(tl.uint32) % {number}).to(tl.int32)",
    "({i}.to(tl.uint32) >> {bit}).to(tl.int32)", "({i}.to(tl.int64) * {j}).to(tl.int32)",
    "({i} {compared} {j}).to(tl.int32)", "({i}.to(tl.uint32) {ordered} {j}.to(tl.uint32)).to(tl.int32)",
    "tl.where({i}.to(tl.uint32) {ordered} {j}.to(tl.uint32), {i}, {j})",
    "({e} {compared} {f}).to(tl.int32)",
    "tl.minimum({i}.to(tl.uint32), {j}.to(tl.uint32)).to(tl.int32)",
    "tl.maximum({i}.to(tl.uint32), {j}.to(tl.uint32)).to(tl.int32)", "{e}.to(tl.int32, bitcast=True) & 4095",
    "{i} + tl.program_id(0) * 3 + tl.num_programs(0)",
    "({i} & 1023) + tl.sum({j} & 7, axis=1)[:, None]", "({i} & 1023) + tl.argmax({e}, axis=0)[None, :]",
    "({i} & 1023) + tl.argmin({e}, axis=1)[:, None]", "({i} & 1023) + tl.max({j} & 7, axis=0)[None, :]",
    "({i} & 1023) + tl.xor_sum({j}, axis=1)[:, None]", "tl.associative_scan({i}, {axis}, larger)",
    "({i} & 1023) + tl.histogram(tl.reshape({j} & (N - 1), (M * N,)), N)[None, :]",
    "({i} & 1023) + tl.histogram(tl.reshape({j} & (N - 1), (M * N,)), N, tl.reshape({condition}, (M * N,)))[None, :]",
    "tl.sum(tl.join({i} & 1023, {j} & 1023), axis=2)", "joined_ends({i} & 1023, {j} & 1023, M, N)",
    "tl.load(p + r * N + c, mask={condition}, other=3)", "tl.load(q + ({i} & 4095))",
    "tl.dot(tl.load(p + r * K + k).to(tl.int8), tl.load(q + kt * N + c).to(tl.int8))",
    "tl.dot(tl.load(p + r * K + k).to(tl.int8), tl.load(q + kt * N + c).to(tl.int8), {i}, out_dtype=tl.int32)",
]  # fmt: skip

# Statements; {new} is the name of the block that they define. Lines after the first are indented by the program.
FLOAT_STATEMENTS = [
    # Carried round a loop; a product that waits for the loop's end, from memory and with masks.
    "{new} = {x}\nfor step in range(0, COUNT):\n    {new} = {new} * 0.5 + tl.load(x + ({i} & 1023) + step)",
    "{new} = {x}\nfor step in range(0, COUNT):\n    {new} = {new} * 0.5 + ({float}) * 0.25",
    "{new} = {x}\nfor step in range(0, few):\n    {new} = {new} * 0.5 + tl.load(y + c * M + r + step)",
    "{new} = tl.zeros((M, N), tl.float32)\nfor step in range(0, COUNT):\n"
    "    {new} = tl.dot(tl.load(x + r * K + k + step * K * M), tl.load(y + kt * N + c + step * K), {new}, "
    "input_precision='ieee')",
    "{new} = tl.zeros((M, N), tl.float32)\nfor step in range(0, few):\n"
    "    {new} = tl.dot(tl.load(x + r * 64 + k + step * K, mask=k + step * K < 40, other=0.0), "
    "tl.load(y + (kt + step * K) * N + c, mask=kt + step * K < 40, other=0.0), {new}, input_precision='ieee')",
    # Branches by a scalar, one of them with two ways.
    "{new} = {x}\nif n > {edge}:\n    {new} = {float}",
    "if n > {edge}:\n    {new} = {float}\nelse:\n    {new} = {float}",
    # What was stored is read again.
    "tl.store(out + r * N + c, {x}, mask={condition})\n{new} = tl.load(out + r * N + c)",
    "tl.store(out + c * M + r, {x})\n{new} = tl.load(out + r * N + c)",
    "tl.store(half + r * N + c, {e}.to(tl.float16))\n{new} = tl.load(half + r * N + (N - 1 - c)).to(tl.float32)",
    "tl.store(flags + r * N + c, {condition})\n{new} = tl.load(flags + c + r * N).to(tl.float32)",
    # Numbers whose sum does not depend on the order; one element a cell where the order would show.
    "tl.atomic_add(sums + ({i} & 7), ({j} & 7).to(tl.float32) * 0.125, mask={condition})\n{new} = {x}",
    "{new} = tl.atomic_add(sums + cell, {x} * 0.01)",
    "{new} = tl.atomic_max(sums + cell, {x})",
]
INTEGER_STATEMENTS = [
    "{new} = {i} & 15\n{new}_left = tl.max(tl.max({new}, 1), 0)\nwhile {new}_left > 3:\n"
    "    {new} = {new} + {new}_left\n    {new}_left = {new}_left // 2",
    "tl.atomic_{kind}(tally + ({i} & 7), {j}, mask={condition})\n{new} = {i}",
    "tl.atomic_{extremum}(tally.to(tl.pointer_type(tl.uint32), bitcast=True) + ({i} & 7), {j}.to(tl.uint32))\n"
    "{new} = {j}",
    "{new} = tl.atomic_xchg(cells + cell, {i}, mask={condition})\n{new} = tl.where({condition}, {new}, 0)",
    "{new} = tl.atomic_cas(cells + cell, {i} & 1, {j} & 3)",
    "{new} = tl.atomic_cas(wide + cell, ({i} & 1).to(tl.int64), {j}.to(tl.int64)).to(tl.int32)",
    "tl.atomic_add(wide + ({i} & 7), {j}.to(tl.int64))\n{new} = {i}",
    "tl.store(bytes + r * N + c, {i}.to(tl.int8))\n{new} = tl.load(bytes + r * N + c).to(tl.int32)",
    "tl.debug_barrier()\n{new} = {i}",
    "tl.device_assert(({i} & 7) < 8)\n{new} = {j}",
    "tl.assume(n > 0)\n{new} = {i} + (n & 3)",
]

CONDITIONS = ["({e} {compared} {f})", "(({i} & 3) == {bit})", "({i} {compared} {j})", "((r + c < n) & (c >= {bit}))"]
CHOICES = {
    "number": ["1", "2", "3", "7", "16"],
    "bit": ["0", "1", "2", "3", "5"],
    "axis": ["0", "1"],
    "compared": ["<", "<=", ">", ">=", "==", "!="],
    "ordered": ["<", "<=", ">", ">="],
    "kind": ["add", "max", "min", "and", "or", "xor"],
    "extremum": ["max", "min"],
    "edge": ["0", "1000000"],
}
