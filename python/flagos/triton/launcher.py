"""Launching: what Triton calls with the arguments of a kernel, and the kernel that it loaded.

The launch itself is the extension `_flagos_launcher`, which lies beside libflagos.so. Here is what it asks once a
signature, a variant or a device: where values lie, how a variant is made, where a tensor lives.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Sequence
from functools import cache, partial
from types import ModuleType
from typing import Any

from triton.knobs import HookChain

from flagos import libraries
from flagos.triton import extension, image, native

HOST = -1  # a device of the launcher: any memory of this process


@cache
def configured() -> ModuleType:
    """The extension, told what it asks Python for."""
    loaded = extension.module()
    loaded.configure(native.KernelError, _device_of, _current_stream, HookChain)
    return loaded


@cache
def _learn_tensors() -> bool:
    """Lets the extension look into PyTorch's tensors by libtorch_fl; called once torch_fl is there."""
    import torch

    plugin = ctypes.CDLL(str(libraries.plugin(torch.__version__)))
    function = ctypes.cast(plugin.fl_tensor_memory, ctypes.c_void_p).value
    tensor = torch.empty(1)
    return configured().learn((tensor, torch.nn.Parameter(tensor)), function)


def _device_of(value: Any) -> int:
    """HOST for memory that this process can reach, else the flagos device that it lies on.

    Raises KernelError for a tensor on a device that kernels are not compiled for.
    """
    device = getattr(value, "device", None)
    if device is None or device.type == "cpu":
        return HOST
    if device.type == "flagos":
        index = device.index or 0
        return HOST if native.is_host(index) else index
    raise native.KernelError(
        f"a Triton kernel of the backend 'cpu' was given a tensor on '{device}', for which it is not compiled; "
        "move the tensor to cpu or flagos"
    )


def _current_stream(device: int) -> int:
    """The address of the fl_stream that the calling thread has chosen on a flagos device."""
    import torch

    return native.stream_address(device, torch.flagos.current_stream(device).stream_id)


def _leaves(types: Sequence[Any], names: Sequence[str]) -> Iterator[tuple[tuple[int, ...], str, str]]:
    """(path, type, name) of each value of a kernel, which has none for constexprs; tuples are entered."""
    for index, (kind, name) in enumerate(zip(types, names, strict=True)):
        if isinstance(kind, tuple):
            inner = [f"{name}[{number}]" for number in range(len(kind))]
            yield from (((index, *path), leaf, where) for path, leaf, where in _leaves(kind, inner))
        elif kind != "constexpr":
            yield (index,), kind, name


def make_launcher(src: Any, metadata: Any) -> Any:
    """What Triton calls `launcher_cls`: the callable that it gives each launch of this signature."""
    if "torch_fl" in sys.modules:
        _learn_tensors()
    names = [str(name) for name in src.signature]
    return configured().Launcher(tuple(_leaves(list(src.signature.values()), names)))


def load(name: str, data: bytes) -> Any:
    """A kernel as Triton's `function`; its variants are loaded by the launches that need them."""
    kernel = image.read(data)
    return configured().Kernel(kernel.arguments, kernel.stride_arguments, partial(_load_variant, name, kernel))


def _load_variant(name: str, kernel: image.Compiled, ones: int, device: int) -> tuple[int, int, int, int]:
    """Code in which the arguments of the set bits are 1: addresses of a fl_kernel and a fl_stream, scratch, flags."""
    fixed = tuple(index for index in range(64) if ones >> index & 1)
    wanted = image.Specialisation(fixed, 0 if device == HOST else native.distance(device))
    code = kernel if wanted == image.Specialisation() else image.build(kernel.tile_ir, wanted)
    where = native.host_device() if device == HOST else device
    stream = native.stream_address(where, 0) if device == HOST else 0
    return native.load_kernel(name, code.symbol, code.object, where), stream, code.scratch_bytes, code.launch_flags
