"""The lowering rules that a kernel met, by name, read off its tile IR and off what the compiler says of its nests.

A rule is an operation of the compiler's table (src/compiler/ttir/ops.def), one of its kinds where a kind is lowered in
a way of its own (predicates, atomics, types of a product, regions of more than one value), or a way in which a nest
reaches memory.
"""

from __future__ import annotations

import re
from pathlib import Path

TABLE = Path(__file__).parents[2] / "src" / "compiler" / "ttir" / "ops.def"
OPERATIONS = re.findall(r'^FL_TTIR_OP\(\w+, "([^"]+)"', TABLE.read_text(), re.MULTILINE)

#: Operations that no random program holds: neither stock Triton's language nor its interpreter has them, or the
#: interpreter does not define what they do. Beside each, what lowers and runs it instead.
ELSEWHERE = {
    "arith.ceildivsi": "tests/triton/test_rare_operations.py",
    "arith.floordivsi": "tests/triton/test_rare_operations.py",
    "arith.negf": "tests/triton/test_rare_operations.py",
    "arith.bitcast": "tests/triton/test_rare_operations.py",
    "math.tanh": "tests/triton/test_rare_operations.py",
    "cf.br": "tests/triton/test_rare_operations.py",
    "tt.extern_elementwise": "tests/triton/test_elementwise.py",
    "tt.print": "tests/triton/test_debugging.py",
}

_KINDS = (
    (re.compile(r"arith\.cmpi (\w+)"), "arith.cmpi {}"),
    (re.compile(r"arith\.cmpf (\w+)"), "arith.cmpf {}"),
    (re.compile(r"tt\.atomic_rmw (\w+)"), "tt.atomic_rmw {}"),
    (re.compile(r"tt\.atomic_cas .*x(i\d+)> *$", re.MULTILINE), "tt.atomic_cas {}"),
    (re.compile(r"tt\.dot .*x(\w+)> \* tensor"), "tt.dot {}"),
    (re.compile(r"tt\.dot .*-> tensor<(?:\d+x){3}\w+>"), "tt.dot of three dimensions"),
    (re.compile(r'"tt\.reduce"\([^),]+,'), "tt.reduce of several blocks"),
    (re.compile(r'"tt\.scan"\([^),]+,'), "tt.scan of several blocks"),
    (re.compile(r"reverse = true"), "tt.scan reversed"),
    (re.compile(r"tt\.histogram [^,:]+,"), "tt.histogram masked"),
    (re.compile(r"tt\.load [^,:]+ : "), "tt.load of all lanes"),
    (re.compile(r"tt\.store [^,:]+,[^,:]+ : "), "tt.store of all lanes"),
    (re.compile(r"tt\.load [^,:]+,[^,:]+,"), "tt.load masked"),
    (re.compile(r"tt\.store [^,:]+,[^,:]+,"), "tt.store masked"),
    (re.compile(r"tt\.load [^:]+: !tt\.ptr"), "tt.load of one element"),
)
_WAYS = (
    "is contiguous",
    "is contiguous, reversed",
    "is gathered, since its addresses are not affine",
    "is gathered with a stride of",
    "is gathered with a stride that only the launch knows",
    "is scattered with a stride of",
    "is one element, repeated over the strip",
    "is element by element",
    "from scratch",
    "bounds the strips",
    "is computed lane by lane",
    "conditions hold at the launch",
)

REQUIRED = (
    *(name for name in OPERATIONS if name not in ELSEWHERE),
    *(f"arith.cmpi {predicate}" for predicate in ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")),
    *(f"arith.cmpf {predicate}" for predicate in ("oeq", "une", "olt", "ole", "ogt", "oge")),
    *(f"tt.atomic_rmw {kind}" for kind in ("add", "fadd", "max", "min", "umax", "umin", "and", "or", "xor", "exch")),
    *(f"tt.atomic_cas {kind}" for kind in ("i32", "i64")),
    *(f"tt.dot {kind}" for kind in ("f16", "bf16", "f32", "f64", "i8", "of three dimensions")),
    "tt.reduce of several blocks",
    "tt.scan of several blocks",
    "tt.scan reversed",
    "tt.histogram masked",
    "tt.load of all lanes",
    "tt.store of all lanes",
    "tt.load masked",
    "tt.store masked",
    "tt.load of one element",
    *_WAYS,
)


def met(tile_ir: str) -> set[str]:
    """The rules that this kernel met."""
    from flagos.triton import native

    words = set(re.findall(r"[a-z_0-9]+(?:\.[a-z_0-9]+)+", tile_ir))
    rules = {name for name in OPERATIONS if name in words}
    for pattern, name in _KINDS:
        for found in pattern.finditer(tile_ir):
            rules.add(name.format(*found.groups()))
    nests = native.Program(tile_ir).explained()
    rules.update(way for way in _WAYS if way in nests)
    return rules
