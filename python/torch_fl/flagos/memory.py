"""Memory of the devices: what is in use, the caching allocator behind it, and pinned host memory. Bytes everywhere."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any

import torch

from torch_fl.flagos.device import DeviceLike, device_count, index_of
from torch_fl.flagos.streams import current_stream

_ops = torch.ops.flagos

OutOfMemoryError = torch.OutOfMemoryError


def empty_cache() -> None:
    """Gives memory that no tensor uses back to the drivers, on every device that this process has opened."""
    if not _ops.devices_found():
        return
    for index in range(device_count()):
        if _ops.device_opened(index):
            _ops.memory_trim(index)


def empty_host_cache() -> None:
    """Gives pinned host memory that no tensor uses back to the system."""
    _ops.pinned_trim()


def memory_stats(device: DeviceLike = None) -> OrderedDict[str, int]:
    """Statistics of the caching allocator under the keys of torch.cuda.memory_stats: "allocated_bytes.all.peak"."""
    return OrderedDict(sorted(_ops.memory_stats(index_of(device)).items()))


def memory_stats_as_nested_dict(device: DeviceLike = None) -> dict[str, Any]:
    """memory_stats() with a level of dicts for each dot of the keys."""
    return _nested(memory_stats(device))


def host_memory_stats() -> OrderedDict[str, int]:
    """Statistics of pinned host memory: "allocated_bytes.current"."""
    return OrderedDict(sorted(_ops.pinned_stats().items()))


def host_memory_stats_as_nested_dict() -> dict[str, Any]:
    """host_memory_stats() with a level of dicts for each dot of the keys."""
    return _nested(host_memory_stats())


def _nested(flat: dict[str, int]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *path, last = key.split(".")
        level = nested
        for part in path:
            level = level.setdefault(part, {})
        level[last] = value
    return nested


def memory_allocated(device: DeviceLike = None) -> int:
    """Bytes that tensors hold now."""
    return memory_stats(device)["allocated_bytes.all.current"]


def max_memory_allocated(device: DeviceLike = None) -> int:
    """The most bytes that tensors held since the start or the last reset_peak_memory_stats()."""
    return memory_stats(device)["allocated_bytes.all.peak"]


def memory_reserved(device: DeviceLike = None) -> int:
    """Bytes that the allocator took from the driver, in use or cached."""
    return memory_stats(device)["reserved_bytes.all.current"]


def max_memory_reserved(device: DeviceLike = None) -> int:
    """The most bytes that the allocator had from the driver since the start or the last reset_peak_memory_stats()."""
    return memory_stats(device)["reserved_bytes.all.peak"]


def reset_peak_memory_stats(device: DeviceLike = None) -> None:
    """Starts every "peak" of memory_stats() again from what is current."""
    _ops.memory_reset_peak(index_of(device))


def reset_accumulated_memory_stats(device: DeviceLike = None) -> None:
    """Starts every "allocated" and "freed" of memory_stats(), and the counts of events, again from 0."""
    _ops.memory_reset_accumulated(index_of(device))


def reset_peak_host_memory_stats() -> None:
    """As reset_peak_memory_stats(), for pinned host memory."""
    _ops.pinned_reset_peak()


def reset_accumulated_host_memory_stats() -> None:
    """As reset_accumulated_memory_stats(), for pinned host memory."""
    _ops.pinned_reset_accumulated()


def mem_get_info(device: DeviceLike = None) -> tuple[int, int]:
    """Free and total bytes of the device, as its driver counts them; on the host within the limit of the cgroup."""
    return _ops.memory_info(index_of(device))


def device_memory_used(device: DeviceLike = None) -> int:
    """Bytes of the device that are in use, by this process and others."""
    free, total = mem_get_info(device)
    return total - free


def set_per_process_memory_fraction(fraction: float, device: DeviceLike = None) -> None:
    """Limits what this process may take of a device to `fraction` of its total memory, 0 < fraction <= 1.

    Going over it raises torch.OutOfMemoryError, as when the device were full.
    """
    if not isinstance(fraction, (int, float)) or isinstance(fraction, bool):
        raise TypeError(f"flagos: a memory fraction is a number, not {type(fraction).__name__}")
    _ops.memory_set_fraction(index_of(device), float(fraction))


def get_per_process_memory_fraction(device: DeviceLike = None) -> float:
    """The limit in force; 1.0 when none was set."""
    return _ops.memory_fraction(index_of(device))


def memory_snapshot(device: DeviceLike = None) -> list[dict[str, Any]]:
    """The allocator's segments on a device, each with its blocks: address, size, stream and state."""
    return json.loads(_ops.memory_snapshot(index_of(device)))


def get_allocator_backend() -> str:
    """The kind of allocator; there is one."""
    return "native"


def caching_allocator_alloc(size: int, device: DeviceLike = None, stream: torch.Stream | int | None = None) -> int:
    """Takes `size` bytes from the caching allocator for a library that manages memory itself; returns the address.

    Given back by caching_allocator_delete(). `stream` is the one that will use it first, as an object or its id.
    """
    index = index_of(device)
    if stream is None:
        stream = current_stream(index)
    return _ops.block_allocate(size, index, stream if isinstance(stream, int) else stream.stream_id)


def caching_allocator_delete(mem_ptr: int) -> None:
    """Gives back what caching_allocator_alloc() returned; ValueError for any other address."""
    _ops.block_release(mem_ptr)


_ROWS = (
    ("allocated_bytes", "Allocated memory"),
    ("active_bytes", "Active memory"),
    ("requested_bytes", "Requested memory"),
    ("reserved_bytes", "Reserved memory"),
    ("inactive_split_bytes", "Cached in split blocks"),
    ("allocation", "Allocations"),
    ("active", "Active allocations"),
    ("segment", "Reserved segments"),
    ("inactive_split", "Cached split blocks"),
)
_COLUMNS = (("current", "now"), ("peak", "peak"), ("allocated", "in total"), ("freed", "freed"))


def memory_summary(device: DeviceLike = None, abbreviated: bool = False) -> str:
    """memory_stats() as a table for people; `abbreviated` leaves the rows of the small and large pools out."""
    index = index_of(device)
    stats = memory_stats(index)
    pools = (
        (("all", ""),)
        if abbreviated
        else (("all", ""), ("small_pool", "  small blocks"), ("large_pool", "  large blocks"))
    )
    lines = [
        f"Memory of flagos:{index}: {stats['num_ooms']} times out of memory, "
        f"{stats['num_alloc_retries']} retries after emptying the cache",
        f"{'':24}" + "".join(f"{title:>12}" for _, title in _COLUMNS),
    ]
    for key, title in _ROWS:
        show = _bytes if key.endswith("_bytes") else str
        for pool, pool_title in pools:
            cells = "".join(f"{show(stats[f'{key}.{pool}.{column}']):>12}" for column, _ in _COLUMNS)
            lines.append(f"{pool_title or title:24}{cells}")
    return "\n".join(lines) + "\n"


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
