"""A compiled kernel as bytes: what Triton caches, and what a launch needs.

The bytes are one `fl_compiler` image: a header of lengths, the tile IR (from which variants for other argument values
are made), and the relocatable object.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

from flagos import core
from flagos.triton import llvm, native

_MAGIC = b"FLKERN01"
_HEADER = struct.Struct("<8sQQQQQ")  # magic, scratch bytes, launch flags, sizes of symbol, tile IR and object


@dataclass(frozen=True)
class Image:
    """What build() put together."""

    symbol: str
    tile_ir: str
    scratch_bytes: int
    launch_flags: int
    object: bytes


def build(tile_ir: str, constants: dict[int, int]) -> bytes:
    """Compiles a module; `constants` fixes integer arguments, by number."""
    program = native.compile_tile_ir(tile_ir, constants)
    _dump(program, tile_ir, constants)
    code = llvm.compile_object(program.llvm_ir, native.host_target())
    symbol, text = program.symbol.encode(), tile_ir.encode()
    header = _HEADER.pack(_MAGIC, program.scratch_bytes, program.launch_flags, len(symbol), len(text), len(code))
    return header + symbol + text + code


def _dump(program: native.Program, tile_ir: str, constants: dict[int, int]) -> None:
    """Writes each stage below FLAGOS_TRITON_DUMP, when that is set; before LLVM sees it, which a mistake would end."""
    folder = core.variable("FLAGOS_TRITON_DUMP")
    if not folder:
        return
    fixed = "".join(f"-{index}is{value}" for index, value in sorted(constants.items()))
    name = f"{program.symbol}-{hashlib.sha256(tile_ir.encode()).hexdigest()[:8]}{fixed}"
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.tile").write_text(tile_ir)
    (place / f"{name}.ll").write_text(program.llvm_ir)
    (place / f"{name}.s").write_text(llvm.compile_assembly(program.llvm_ir, native.host_target()))


def read(data: bytes) -> Image:
    """The parts of an image. Raises KernelError for bytes that are not one."""
    if len(data) < _HEADER.size or not data.startswith(_MAGIC):
        raise native.KernelError("this is not a kernel that flagos compiled")
    _, scratch, flags, symbol, text, code = _HEADER.unpack_from(data)
    at = _HEADER.size
    if len(data) != at + symbol + text + code:
        raise native.KernelError("a compiled kernel is cut short; delete it from Triton's cache")
    return Image(
        symbol=data[at : at + symbol].decode(),
        tile_ir=data[at + symbol : at + symbol + text].decode(),
        scratch_bytes=scratch,
        launch_flags=flags,
        object=data[at + symbol + text :],
    )
