"""Launching: from the arguments of a Triton call to fl_launch.

A launcher is made once a signature. It knows where in the call's (nested) arguments each value of the kernel lies and
how it is packed. Arguments that are strides get a variant of the kernel in which they are fixed to one when they are
one at launch: with a known stride rows are read in strips, without it element by element.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any

from flagos.triton import image, native

_FORMATS = {
    "i1": "?", "i8": "b", "i16": "h", "i32": "i", "i64": "q",
    "u1": "?", "u8": "B", "u16": "H", "u32": "I", "u64": "Q",
    "fp16": "e", "fp32": "f", "f32": "f", "fp64": "d", "f64": "d",
}  # fmt: skip
_WRAP = {"i8": 8, "i16": 16, "i32": 32, "i64": 64, "u8": 8, "u16": 16, "u32": 32, "u64": 64}


def _leaves(types: Sequence[Any], path: tuple[int, ...] = ()) -> list[tuple[tuple[int, ...], str]]:
    found = []
    for index, kind in enumerate(types):
        here = (*path, index)
        if isinstance(kind, tuple):
            found += _leaves(kind, here)
        elif kind != "constexpr":
            found.append((here, kind))
    return found


def _pick(path: tuple[int, ...]) -> Callable[[Sequence[Any]], Any]:
    if len(path) == 1:
        first = path[0]
        return lambda args: args[first]

    def nested(args: Sequence[Any]) -> Any:
        value: Any = args
        for index in path:
            value = value[index]
        return value

    return nested


def _address(value: Any) -> int:
    """Of a tensor, of anything with data_ptr(), of None (a null pointer) or of a plain address.

    Raises KernelError for a tensor whose memory this process cannot reach.
    """
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    device = getattr(value, "device", None)
    if device is not None and device.type != "cpu" and not _is_host_memory(device):
        raise native.KernelError(
            f"a Triton kernel compiled for this CPU was given a tensor on '{device}', whose memory it cannot reach; "
            "move the tensor to cpu"
        )
    return value.data_ptr()


def _is_host_memory(device: Any) -> bool:
    return device.type == "flagos" and (device.index or 0) == native.host_device()


def _bits(kind: str) -> Callable[[Any], bytes]:
    if kind.startswith("*"):
        pack = struct.Struct("<Q").pack
        return lambda value: pack(_address(value))
    if kind == "bf16":
        pack = struct.Struct("<f").pack
        return lambda value: pack(value)[2:]
    pack = struct.Struct("<" + _FORMATS[kind]).pack
    if kind in _WRAP:
        signed = kind[0] == "i"
        modulus = 1 << _WRAP[kind]

        def integer(value: Any) -> bytes:
            number = int(value) % modulus
            return pack(number - modulus if signed and number >= modulus // 2 else number)

        return integer
    return lambda value: pack(value)


class Loaded:
    """A kernel as Triton's `function`: its image, and the variants that were loaded so far."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.image = image.read(data)
        program = native.compile_tile_ir(self.image.tile_ir)
        self.arguments = program.arguments
        self.strides = program.stride_arguments
        self.variants: dict[tuple[int, ...], Variant] = {(): Variant(name, self.image)}

    def variant(self, ones: tuple[int, ...]) -> Variant:
        found = self.variants.get(ones)
        if found is None:
            built = image.read(image.build(self.image.tile_ir, dict.fromkeys(ones, 1)))
            found = self.variants.setdefault(ones, Variant(self.name, built))
        return found


class Variant:
    """One object code of a kernel, loaded."""

    def __init__(self, name: str, compiled: image.Image) -> None:
        self.kernel = native.Kernel(name, compiled.symbol, compiled.object, native.host_device())
        self.scratch_bytes = compiled.scratch_bytes
        self.launch_flags = compiled.launch_flags


class Frame:
    """Memory for the arguments of one launch; taken from a list and given back, since launches may overlap."""

    def __init__(self, arguments: Sequence[tuple[int, int]]) -> None:
        self.values = (ctypes.c_uint64 * max(len(arguments), 1))()
        base = ctypes.addressof(self.values)
        self.table = (native.Argument * max(len(arguments), 1))(
            *(native.Argument(kind, size, base + 8 * index) for index, (kind, size) in enumerate(arguments))
        )
        self.bytes = memoryview(self.values).cast("B")
        self.config = native.LaunchConfig(struct_size=ctypes.sizeof(native.LaunchConfig), block=(1, 1, 1))


class Launcher:
    """What Triton calls for each launch."""

    def __init__(self, src: Any, metadata: Any) -> None:
        self.leaves = [(_pick(path), kind, _bits(kind)) for path, kind in _leaves(tuple(src.signature.values()))]
        self.frames: list[Frame] = []

    def __call__(
        self,
        grid_x: int,
        grid_y: int,
        grid_z: int,
        stream: int,
        function: Loaded,
        packed_metadata: Any,
        launch_metadata: Any,
        enter_hook: Callable[[Any], None] | None,
        exit_hook: Callable[[Any], None] | None,
        *args: Any,
    ) -> None:
        if enter_hook is not None:
            enter_hook(launch_metadata)
        frame = self.frames.pop() if self.frames else Frame(function.arguments)
        ones = []
        for index, (pick, _, bits) in enumerate(self.leaves):
            value = pick(args)
            data = bits(value)
            frame.bytes[8 * index : 8 * index + len(data)] = data
            if index in function.strides and value == 1:
                ones.append(index)
        variant = function.variant(tuple(ones))
        config = frame.config
        config.grid[:] = (grid_x, grid_y, grid_z)
        config.shared_bytes = variant.scratch_bytes
        config.flags = variant.launch_flags
        native.launch(variant.kernel, config, frame.table, len(self.leaves))
        self.frames.append(frame)
        if exit_hook is not None:
            exit_hook(launch_metadata)
