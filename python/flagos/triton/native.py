"""The C functions behind the backend: fl_compiler_* (flagos/compiler.h) and kernels of the runtime (flagos/runtime.h).

Texts in and out, no Triton and no PyTorch. Failures become CompileError or KernelError with the core's own text.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache

from flagos import libraries
from flagos.triton import extension

OK = 0


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
        ("stream_bytes", ctypes.c_int32),
        ("cache_bytes", ctypes.c_int64),
    )


class _Constant(ctypes.Structure):
    _fields_ = (("argument", ctypes.c_uint32), ("reserved", ctypes.c_uint32), ("value", ctypes.c_int64))


class Options(ctypes.Structure):
    """fl_compiler_options; made by options()."""

    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("constants", ctypes.POINTER(_Constant)),
        ("constant_count", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("distance", ctypes.c_uint64),
        ("target", ctypes.c_char_p),
    )


class CompiledInfo(ctypes.Structure):
    """fl_compiled_info."""

    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("symbol", ctypes.c_char_p),
        ("producer", ctypes.c_char_p),
        ("ttir", ctypes.c_void_p),
        ("ttir_size", ctypes.c_uint64),
        ("object", ctypes.c_void_p),
        ("object_size", ctypes.c_uint64),
        ("scratch_bytes", ctypes.c_uint64),
        ("launch_flags", ctypes.c_uint32),
        ("argument_count", ctypes.c_uint32),
        ("stride_arguments", ctypes.c_uint64),
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
    stream_bytes: int
    cache_bytes: int

    @property
    def key(self) -> str:
        """The same for targets whose code is the same."""
        return f"{self.cpu}{self.features}/{self.stream_bytes}/{self.cache_bytes}"


@cache
def library() -> ctypes.CDLL:
    core = ctypes.CDLL(str(libraries.folder() / libraries.CORE))
    core.fl_last_error.restype = ctypes.c_char_p
    core.fl_compiler_release.restype = None
    core.fl_compiler_release.argtypes = (ctypes.c_void_p,)
    core.fl_compiler_get_info.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    core.fl_compiler_version.restype = ctypes.c_char_p
    core.fl_compiled_release.restype = None
    core.fl_compiled_release.argtypes = (ctypes.c_void_p,)
    core.fl_compiled_get_info.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    core.fl_compiled_argument.argtypes = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p)
    core.fl_cache_store.argtypes = (ctypes.c_char_p, ctypes.c_void_p)
    core.fl_log.restype = None
    core.fl_launch_count.restype = ctypes.c_uint64
    return core


def last_error() -> str:
    """Why the last call on this thread failed."""
    return library().fl_last_error().decode("utf-8", "replace")


def _target_of(filled: _Target) -> Target:
    triple, cpu, features = (text.decode() for text in (filled.triple, filled.cpu, filled.features))
    return Target(triple, cpu, features, filled.lanes, filled.stream_bytes, filled.cache_bytes)


@cache
def host_target() -> Target:
    """The CPU of this host; FLAGOS_CPU_TARGET lowers it. Raises CompileError where there is none to serve."""
    target = _Target(struct_size=ctypes.sizeof(_Target))
    if library().fl_compiler_host_target(ctypes.byref(target)) != OK:
        raise CompileError(last_error())
    return _target_of(target)


def named_target(name: str) -> Target:
    """A target to compile for, whether or not this host can run it: x86-64-v3, x86-64-v4, znver4, sapphirerapids."""
    target = _Target(struct_size=ctypes.sizeof(_Target))
    if library().fl_compiler_named_target(name.encode(), ctypes.byref(target)) != OK:
        raise CompileError(last_error())
    return _target_of(target)


def check(status: int) -> None:
    """Raises KernelError with the core's text for a status that is not OK."""
    if status != OK:
        raise KernelError(last_error())


def warn(text: str) -> None:
    """One line of the core's log."""
    library().fl_log(ctypes.c_int32(1), text.encode())


def collect(function: ctypes._CFuncPtr, handle: ctypes.c_void_p) -> bytes:
    """What a function of the C ABI hands to its sink. Not by a callback of ctypes, which needs memory that is writable
    and executable at once."""
    try:
        return extension.module().collect(ctypes.cast(function, ctypes.c_void_p).value, handle.value)
    except RuntimeError as error:
        raise KernelError(str(error)) from None


def options(constants: dict[int, int] | None = None, distance: int = 0, target: str | None = None) -> Options:
    """`constants` fixes integer arguments, by number, to values; `distance` is added to every address; `target` is a
    name for named_target(), this host by default.
    """
    fixed = [_Constant(argument=index, value=value) for index, value in (constants or {}).items()]
    return Options(
        struct_size=ctypes.sizeof(Options),
        constants=(_Constant * len(fixed))(*fixed),
        constant_count=len(fixed),
        distance=distance,
        target=None if target is None else target.encode(),
    )


class Program:
    """A lowered kernel, ready for LLVM. Raises CompileError for text that is not valid or cannot be lowered."""

    def __init__(self, tile_ir: str, chosen: Options | None = None) -> None:
        self.tile_ir = tile_ir
        self.handle = ctypes.c_void_p()
        text = tile_ir.encode()
        chosen = ctypes.byref(chosen) if chosen is not None else None
        if library().fl_compiler_compile(text, ctypes.c_uint64(len(text)), chosen, ctypes.byref(self.handle)) != OK:
            raise CompileError(last_error())
        info = _ProgramInfo(struct_size=ctypes.sizeof(_ProgramInfo))
        check(library().fl_compiler_get_info(self.handle, ctypes.byref(info)))
        self.symbol: str = info.symbol.decode()
        self.llvm_ir: str = ctypes.string_at(info.llvm_ir, info.llvm_ir_size).decode()

    def printed(self) -> str:
        """The tile IR as it was understood."""
        return collect(library().fl_compiler_print, self.handle).decode()

    def explained(self) -> str:
        """The loop nests, and why they are as they are."""
        return collect(library().fl_compiler_explain, self.handle).decode()

    def __del__(self) -> None:
        library().fl_compiler_release(self.handle)


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


def compiler_version() -> str:
    """Of libflagos.so; another one for each build whose code differs."""
    return library().fl_compiler_version().decode()


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
    if core.fl_device_count(ctypes.byref(count)) != OK:
        raise KernelError(last_error())
    found = []
    for device in range(count.value):
        info = _DeviceInfo(struct_size=ctypes.sizeof(_DeviceInfo))
        if core.fl_device_get_info(device, ctypes.byref(info)) != OK:
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


class _SimControl(ctypes.Structure):
    """The head of fl_sim1."""

    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("distance", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_uint64))),
    )


def distance(device: int) -> int:
    """What kernels for a flagos device add to every address: where this processor sees its memory.

    Raises KernelError for a device that does not run code of this processor.
    """
    group = library().fl_device_group
    group.restype = ctypes.POINTER(_SimControl)
    found = group(ctypes.c_int32(device), b"sim/1")
    if not found:
        raise KernelError(
            f"flagos:{device} is a device of the driver '{_drivers()[device]}', for which the Triton backend 'cpu' "
            "compiles no kernels; use Triton's own backend for it"
        )
    bytes_between = ctypes.c_uint64()
    check(found.contents.distance(ctypes.byref(bytes_between)))
    return bytes_between.value


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
    if library().fl_kernel_load(ctypes.c_int32(device), ctypes.byref(described), ctypes.byref(handle)) != OK:
        raise KernelError(f"loading the kernel '{name}': {last_error()}")
    return handle.value


def stream_address(device: int, stream_id: int) -> int:
    """The address of a fl_stream; 0 is the default stream's id. It lives as long as the process."""
    handle = ctypes.c_void_p()
    if library().fl_stream_from_id(ctypes.c_int32(device), ctypes.c_int64(stream_id), ctypes.byref(handle)) != OK:
        raise KernelError(last_error())
    return handle.value
