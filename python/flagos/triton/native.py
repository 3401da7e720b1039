"""The C functions behind the backend: fl_compiler_* (flagos/compiler.h) and kernels of the runtime (flagos/runtime.h).

Texts in and out, no Triton and no PyTorch. Failures become CompileError or KernelError with the core's own text.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache

from flagos import libraries

_OK = 0


class CompileError(RuntimeError):
    """A kernel is not valid tile IR or cannot be lowered; the text names the operation and its line."""


class KernelError(RuntimeError):
    """A compiled kernel could not be loaded or launched."""


class _Target(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("triple", ctypes.c_char_p),
        ("cpu", ctypes.c_char_p),
        ("features", ctypes.c_char_p),
        ("lanes", ctypes.c_int32),
    )


class _Constant(ctypes.Structure):
    _fields_ = (("argument", ctypes.c_uint32), ("reserved", ctypes.c_uint32), ("value", ctypes.c_int64))


class _Options(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("constants", ctypes.POINTER(_Constant)),
        ("constant_count", ctypes.c_uint32),
        ("target", ctypes.c_char_p),
    )


class _ProgramInfo(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("symbol", ctypes.c_char_p),
        ("llvm_ir", ctypes.c_void_p),
        ("llvm_ir_size", ctypes.c_uint64),
        ("scratch_bytes", ctypes.c_uint64),
        ("launch_flags", ctypes.c_uint32),
        ("argument_count", ctypes.c_uint32),
        ("stride_arguments", ctypes.c_uint64),
    )


class _Image(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("kind", ctypes.c_char_p),
        ("data", ctypes.c_char_p),
        ("size", ctypes.c_uint64),
        ("module", ctypes.c_char_p),
        ("function", ctypes.c_char_p),
        ("resolver", ctypes.c_void_p),
        ("resolver_context", ctypes.c_void_p),
    )


@dataclass(frozen=True)
class Target:
    """What kernels of this host are compiled for."""

    triple: str
    cpu: str
    features: str
    lanes: int


@dataclass(frozen=True)
class Program:
    """A lowered kernel, ready for LLVM."""

    symbol: str
    llvm_ir: str
    scratch_bytes: int
    launch_flags: int
    arguments: tuple[tuple[int, int], ...]  # (kind, size) of each
    stride_arguments: frozenset[int]  # those worth a variant in which they are one


_SINK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(ctypes.c_char), ctypes.c_size_t)


@cache
def library() -> ctypes.CDLL:
    core = ctypes.CDLL(str(libraries.folder() / libraries.CORE))
    core.fl_last_error.restype = ctypes.c_char_p
    core.fl_compiler_release.restype = None
    core.fl_compiler_release.argtypes = (ctypes.c_void_p,)
    core.fl_compiler_get_info.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    core.fl_compiler_argument.argtypes = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p)
    core.fl_compiler_print.argtypes = (ctypes.c_void_p, _SINK, ctypes.c_void_p)
    core.fl_launch_count.restype = ctypes.c_uint64
    return core


def last_error() -> str:
    """Why the last call on this thread failed."""
    return library().fl_last_error().decode("utf-8", "replace")


@cache
def host_target() -> Target:
    """The CPU of this host; FLAGOS_CPU_TARGET lowers it. Raises CompileError where there is none to serve."""
    target = _Target(struct_size=ctypes.sizeof(_Target))
    if library().fl_compiler_host_target(ctypes.byref(target)) != _OK:
        raise CompileError(last_error())
    return Target(target.triple.decode(), target.cpu.decode(), target.features.decode(), target.lanes)


def named_target(name: str) -> Target:
    """A target to compile for, whether or not this host can run it: x86-64-v3, x86-64-v4, znver4, sapphirerapids."""
    target = _Target(struct_size=ctypes.sizeof(_Target))
    if library().fl_compiler_named_target(name.encode(), ctypes.byref(target)) != _OK:
        raise CompileError(last_error())
    return Target(target.triple.decode(), target.cpu.decode(), target.features.decode(), target.lanes)


def compile_tile_ir(text: str, constants: dict[int, int] | None = None, target: str | None = None) -> Program:
    """Lowers the text of a TTIR module. `constants` fixes integer arguments, by number, to values; `target` is a name
    for named_target(), this host by default.
    """
    core = library()
    encoded = text.encode()
    fixed = [_Constant(argument=index, value=value) for index, value in (constants or {}).items()]
    options = _Options(
        struct_size=ctypes.sizeof(_Options),
        constants=(_Constant * len(fixed))(*fixed),
        constant_count=len(fixed),
        target=None if target is None else target.encode(),
    )
    handle = ctypes.c_void_p()
    if (
        core.fl_compiler_compile(encoded, ctypes.c_uint64(len(encoded)), ctypes.byref(options), ctypes.byref(handle))
        != _OK
    ):
        raise CompileError(last_error())
    try:
        info = _ProgramInfo(struct_size=ctypes.sizeof(_ProgramInfo))
        core.fl_compiler_get_info(handle, ctypes.byref(info))
        arguments = []
        for index in range(info.argument_count):
            kind, size = ctypes.c_uint32(), ctypes.c_uint32()
            core.fl_compiler_argument(handle, index, ctypes.byref(kind), ctypes.byref(size))
            arguments.append((kind.value, size.value))
        return Program(
            symbol=info.symbol.decode(),
            llvm_ir=ctypes.string_at(info.llvm_ir, info.llvm_ir_size).decode(),
            scratch_bytes=info.scratch_bytes,
            launch_flags=info.launch_flags,
            arguments=tuple(arguments),
            stride_arguments=frozenset(index for index in range(64) if info.stride_arguments >> index & 1),
        )
    finally:
        core.fl_compiler_release(handle)


class _DeviceInfo(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("hal", ctypes.c_byte * (8 + 128 + 64 + 8 + 4 + 4)),
        ("driver", ctypes.c_char_p),
        ("driver_version", ctypes.c_char_p),
        ("driver_index", ctypes.c_int32),
        ("ordinal", ctypes.c_int32),
        ("capabilities", ctypes.c_uint32),
    )


@cache
def core_version() -> str:
    """Of libflagos.so."""
    library().fl_version.restype = ctypes.c_char_p
    return library().fl_version().decode()


def launch_count() -> int:
    """How many kernels this thread has launched."""
    return library().fl_launch_count()


def thread_count() -> int:
    """Of the process's one thread pool."""
    return library().fl_thread_count()


@cache
def _drivers() -> tuple[str, ...]:
    """The driver of each flagos device."""
    core = library()
    count = ctypes.c_int32()
    if core.fl_device_count(ctypes.byref(count)) != _OK:
        raise KernelError(last_error())
    found = []
    for device in range(count.value):
        info = _DeviceInfo(struct_size=ctypes.sizeof(_DeviceInfo))
        if core.fl_device_get_info(device, ctypes.byref(info)) != _OK:
            raise KernelError(last_error())
        found.append(info.driver.decode())
    return tuple(found)


def is_host(device: int) -> bool:
    """True when this process reaches the memory of a flagos device: it is the host's."""
    return _drivers()[device] == "host"


def host_device() -> int:
    """The first flagos device that is this host. Raises KernelError where FLAGOS_DRIVER leaves the host out."""
    if "host" not in _drivers():
        raise KernelError(
            "Triton kernels on cpu tensors run on flagos' host driver, which is not among its devices; "
            "name it in FLAGOS_DRIVER, for example FLAGOS_DRIVER=sim,host"
        )
    return _drivers().index("host")


def load_kernel(name: str, symbol: str, image: bytes, device: int) -> int:
    """The address of a new fl_kernel on a flagos device; the one reference is the caller's."""
    described = _Image(
        struct_size=ctypes.sizeof(_Image),
        kind=b"elf-x86_64",
        data=image,
        size=len(image),
        module=name.encode(),
        function=symbol.encode(),
        resolver=ctypes.cast(library().fl_compiler_resolve, ctypes.c_void_p),
    )
    handle = ctypes.c_void_p()
    if library().fl_kernel_load(ctypes.c_int32(device), ctypes.byref(described), ctypes.byref(handle)) != _OK:
        raise KernelError(f"loading the kernel '{name}': {last_error()}")
    return handle.value


def stream_address(device: int, stream_id: int) -> int:
    """The address of a fl_stream; 0 is the default stream's id. It lives as long as the process."""
    handle = ctypes.c_void_p()
    if library().fl_stream_from_id(ctypes.c_int32(device), ctypes.c_int64(stream_id), ctypes.byref(handle)) != _OK:
        raise KernelError(last_error())
    return handle.value
