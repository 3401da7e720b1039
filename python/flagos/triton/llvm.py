"""LLVM IR text to an object by the LLVM inside the stock Triton wheel. Nothing else of LLVM is used or installed."""

from __future__ import annotations

from functools import cache

from flagos.triton.native import Target


@cache
def _translate():
    from triton._C.libtriton import llvm

    llvm.init_targets()
    return llvm.translate_to_asm


def compile_object(text: str, target: Target) -> bytes:
    """A relocatable ELF object. Invalid text ends the process: only the compiler's own output goes in here."""
    return _translate()(text, target.triple, target.cpu, target.features, [], False, True)


def compile_assembly(text: str, target: Target) -> str:
    """The same as assembly, for people."""
    return _translate()(text, target.triple, target.cpu, target.features, [], False, False)
