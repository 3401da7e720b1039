"""Reads a file of tile IR, as it lies in Triton's cache, as the compiler takes it: without locations."""

from __future__ import annotations

from pathlib import Path


def without_locations(path: Path) -> str:
    """The module's text. Triton reads and prints it again where it has locations; ValueError when it cannot."""
    text = path.read_text()
    if "loc(" not in text:
        return text
    from triton._C.libtriton import ir

    context = ir.context()
    ir.load_dialects(context)
    try:
        module = ir.parse_mlir_module(str(path), context)
    except RuntimeError as error:
        raise ValueError(f"{path} is no module of tile IR: {error}") from None
    module.context = context  # it must live as long as the module
    return module.str_nodebug()
