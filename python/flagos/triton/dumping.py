"""FLAGOS_TRITON_DUMP=folder: each stage of a kernel's compilation as a file.

    kernel-1a2b3c4d.ttir    what Triton printed, with the lines of the kernel's source
    kernel-1a2b3c4d.tile    the tile IR as it was understood
    kernel-1a2b3c4d.nests   the loop nests, and why they are as they are
    kernel-1a2b3c4d.ll      LLVM IR
    kernel-1a2b3c4d.s       assembly

A variant for arguments that are one has them in its name: kernel-1a2b3c4d-4is1.ll.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from flagos import core
from flagos.triton import llvm, native


def wanted() -> bool:
    return bool(core.variable("FLAGOS_TRITON_DUMP"))


def source(symbol: str, tile_ir: str, text_with_locations: str) -> None:
    """What came from Triton, under the name that the other stages will have."""
    if wanted():
        _write(_stem(symbol, tile_ir), "ttir", text_with_locations)


def before_llvm(program: native.Program, ones: tuple[int, ...]) -> None:
    """Every later stage; written before LLVM sees the text, which a mistake in it would end."""
    if not wanted():
        return
    stem = _stem(program.symbol, program.tile_ir) + "".join(f"-{index}is1" for index in ones)
    _write(stem, "tile", program.printed())
    _write(stem, "nests", program.explained())
    _write(stem, "ll", program.llvm_ir)
    _write(stem, "s", llvm.compile_assembly(program.llvm_ir, native.host_target()))


def _stem(symbol: str, tile_ir: str) -> str:
    return f"{symbol}-{hashlib.sha256(tile_ir.encode()).hexdigest()[:8]}"


def _write(stem: str, suffix: str, text: str) -> None:
    folder = Path(core.variable("FLAGOS_TRITON_DUMP") or ".")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.{suffix}").write_text(text)
