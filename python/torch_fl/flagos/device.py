"""Devices: which there are, which one is current on this thread, what is known of them."""

from __future__ import annotations

import os
import re
from types import TracebackType
from typing import NamedTuple, TypeAlias

import torch

_ops = torch.ops.flagos

#: Whatever names a device: an index, "flagos", "flagos:1", a torch.device. None is the current device.
DeviceLike: TypeAlias = "int | str | torch.device | None"

AcceleratorError = torch.AcceleratorError

_imported_in = os.getpid()
_initialized = False


class DeviceProperties(NamedTuple):
    """What is known of a device."""

    name: str  # as a person knows the chip
    arch: str  # what a compiler needs: "x86-64-v4", "sm_90"
    total_memory: int  # bytes
    multi_processor_count: int  # units that run programs of a grid; cores on a CPU
    alignment: int  # bytes; every allocation starts at a multiple
    driver: str  # the word in FLAGOS_DRIVER and in the sections of a conf file
    driver_version: str
    driver_index: int  # dense number of the driver, in the order of the devices
    ordinal: int  # the driver's own number of the device
    capabilities: frozenset[str]  # "host_access", "async", "event_timing", "fork_safe", "priorities"

    @property
    def major(self) -> int:
        """The first of get_device_capability()."""
        return _capability(self.arch)[0]

    @property
    def minor(self) -> int:
        """The second of get_device_capability()."""
        return _capability(self.arch)[1]


_CAPABILITIES = ("host_access", "async", "event_timing", "fork_safe", "priorities")  # the bits FL_CAP_* of hal.h


def index_of(device: DeviceLike = None) -> int:
    """The index that `device` names, checked: ValueError for another device type or an index that does not exist."""
    index = index_or_minus_one(device)
    count = device_count()
    if not 0 <= index < count:
        raise ValueError(
            f"flagos: there is no device flagos:{index}; this process has {count}"
            + (f" (flagos:0 to flagos:{count - 1})" if count else "; `flagos doctor` says why")
        )
    return index


def index_or_minus_one(device: DeviceLike) -> int:
    """As index_of, without looking whether the index exists; a negative integer is returned as it is."""
    if device is None:
        return current_device()
    if isinstance(device, bool) or not isinstance(device, (int, str, torch.device)):
        raise TypeError(
            f"flagos: a device is an index, 'flagos', 'flagos:N' or a torch.device, not {type(device).__name__}"
        )
    if isinstance(device, int):
        return device
    named = torch.device(device)
    if named.type != "flagos":
        raise ValueError(f"flagos: expected a flagos device, but got '{device}'")
    return current_device() if named.index is None else named.index


def is_available() -> bool:
    """Whether there is a device. Never raises: a broken FLAGOS_DRIVER is False here and raises at first use."""
    return _ops.device_count_or_zero() > 0


def device_count() -> int:
    """How many devices this process has. Raises what finding the drivers raised."""
    return _ops.device_count()


def is_initialized() -> bool:
    """Whether this process has opened a device (init() was called, or an allocation, stream or event exists)."""
    return _initialized or (_ops.devices_found() and any(map(_ops.device_opened, range(_ops.device_count_or_zero()))))


def init() -> None:
    """Finds the devices now instead of at first use. Raises what finding them raised."""
    global _initialized
    device_count()
    # PyTorch calls this before it makes the first tensor: what a conf file says holds for that one too.
    _ops.routing_prepare()
    _initialized = True


_lazy_init = init


def _is_in_bad_fork() -> bool:
    """Whether this is a forked child in which a device that the parent used cannot work on. Finds no devices."""
    if os.getpid() == _imported_in or not _ops.devices_found():
        return False
    return not all(map(_ops.device_works, range(_ops.device_count_or_zero())))


def current_device() -> int:
    """The index of this thread's current device."""
    return _ops.current_device()


def set_device(device: DeviceLike) -> None:
    """Makes `device` this thread's current device; a negative index does nothing, as in torch.cuda."""
    index = index_or_minus_one(device)
    if index >= 0:
        _ops.set_device(index)


class device:
    """Context in which `device` is the current one: `with torch.flagos.device(1):`. A negative index does nothing."""

    def __init__(self, device: DeviceLike) -> None:
        self.idx = index_or_minus_one(device)
        self.prev_idx = -1

    def __enter__(self) -> device:
        self.prev_idx = current_device()
        set_device(self.idx)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        set_device(self.prev_idx)


class device_of(device):
    """Context in which the device of a tensor or storage is current; one of another device type does nothing."""

    def __init__(self, obj: torch.Tensor | torch.UntypedStorage | torch.TypedStorage) -> None:
        super().__init__(obj.device.index if obj.device.type == "flagos" else -1)


def synchronize(device: DeviceLike = None) -> None:
    """Waits until every stream of the device is idle, and raises what failed there."""
    _ops.device_synchronize(index_of(device))


def get_device_properties(device: DeviceLike = None) -> DeviceProperties:
    """What is known of a device."""
    *known, bits = _ops.device_properties(index_of(device))
    return DeviceProperties(*known, frozenset(name for i, name in enumerate(_CAPABILITIES) if bits >> i & 1))


def get_device_name(device: DeviceLike = None) -> str:
    """The chip's name as a person knows it."""
    return get_device_properties(device).name


def get_device_capability(device: DeviceLike = None) -> tuple[int, int]:
    """The level of the chip's architecture as two numbers, read from the end of its arch: "sm_90" is (9, 0),
    "x86-64-v4" is (4, 0), and (0, 0) is an arch without a number."""
    return _capability(get_device_properties(device).arch)


def _capability(arch: str) -> tuple[int, int]:
    number = re.search(r"(\d+)$", arch)
    if number is None:
        return 0, 0
    level = int(number[1])
    return divmod(level, 10) if level >= 10 else (level, 0)


def get_arch_list() -> list[str]:
    """The architectures of the devices in this process, each once."""
    return list(dict.fromkeys(get_device_properties(index).arch for index in range(device_count())))


def can_device_access_peer(device: DeviceLike, peer_device: DeviceLike) -> bool:
    """Whether copies between the two go directly, without host memory between them."""
    return _ops.device_peers(index_of(device), index_of(peer_device))


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether tensors of torch.bfloat16 can be computed with; PyTorch's CPU kernels serve it on every device."""
    return including_emulation or torch.bfloat16 in torch.accelerator.get_device_capability(current_device()).get(
        "supported_dtypes", ()
    )
