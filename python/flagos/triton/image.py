"""A compiled kernel: made by the compiler and Triton's LLVM, kept on disk, as bytes in Triton's own cache.

The functions fl_compiled_* and fl_cache_* of flagos/compiler.h, which a program without Python uses as well.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import triton

from flagos.triton import checking, dumping, llvm, native


@dataclass(frozen=True)
class Specialisation:
    """What a kernel is compiled for besides its text and this CPU."""

    ones: tuple[int, ...] = ()  # arguments, by number, that are 1
    distance: int = 0  # added to every address


class Compiled:
    """One reference to a fl_compiled."""

    def __init__(self, handle: ctypes.c_void_p) -> None:
        self.handle = handle
        info = native.CompiledInfo(struct_size=ctypes.sizeof(native.CompiledInfo))
        native.check(native.library().fl_compiled_get_info(handle, ctypes.byref(info)))
        self.symbol: str = info.symbol.decode()
        self.producer: str = info.producer.decode()
        self.tile_ir: str = ctypes.string_at(info.ttir, info.ttir_size).decode()
        self.object: bytes = ctypes.string_at(info.object, info.object_size)
        self.scratch_bytes: int = info.scratch_bytes
        self.launch_flags: int = info.launch_flags
        self.stride_arguments: int = info.stride_arguments  # bits
        self.arguments = tuple(self._argument(index) for index in range(info.argument_count))

    def _argument(self, index: int) -> tuple[int, int]:
        kind, size = ctypes.c_uint32(), ctypes.c_uint32()
        native.check(native.library().fl_compiled_argument(self.handle, index, ctypes.byref(kind), ctypes.byref(size)))
        return kind.value, size.value

    def __bytes__(self) -> bytes:
        return native.collect(native.library().fl_compiled_write, self.handle)

    def __del__(self) -> None:
        native.library().fl_compiled_release(self.handle)


def producer() -> str:
    """Names the LLVM whose code is cached."""
    return f"triton {triton.__version__}"


def build(tile_ir: str, specialisation: Specialisation = Specialisation()) -> Compiled:
    """The kernel of a module, from the disk when it was compiled before. Raises CompileError."""
    options = native.options(dict.fromkeys(specialisation.ones, 1), specialisation.distance)
    folder = triton.knobs.cache.dir
    fresh = triton.knobs.compilation.always_compile or dumping.wanted() or checking.wanted()
    found = None if fresh else _find(folder, tile_ir, options)
    if found is not None and found.producer == producer():
        return found
    program = native.Program(tile_ir, options)
    dumping.before_llvm(program, specialisation.ones)
    checking.before_llvm(program)
    code = llvm.compile_object(program.llvm_ir, native.host_target())
    handle = ctypes.c_void_p()
    native.check(
        native.library().fl_compiled_make(
            program.handle, code, ctypes.c_uint64(len(code)), producer().encode(), ctypes.byref(handle)
        )
    )
    if native.library().fl_cache_store(folder.encode() if folder else None, handle) != native.OK:
        native.warn(native.last_error())
    return Compiled(handle)


def _find(folder: str | None, tile_ir: str, options: native.Options) -> Compiled | None:
    text, handle = tile_ir.encode(), ctypes.c_void_p()
    status = native.library().fl_cache_find(
        folder.encode() if folder else None,
        text,
        ctypes.c_uint64(len(text)),
        ctypes.byref(options),
        ctypes.byref(handle),
    )
    return Compiled(handle) if status == native.OK else None


def read(data: bytes) -> Compiled:
    """A kernel from its bytes. Raises KernelError for bytes that are not one, or not of this build."""
    handle = ctypes.c_void_p()
    if native.library().fl_compiled_read(data, ctypes.c_uint64(len(data)), ctypes.byref(handle)) != native.OK:
        raise native.KernelError(native.last_error())
    return Compiled(handle)
