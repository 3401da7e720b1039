"""The device module, torch_fl.flagos and torch.flagos: what torch.cuda has, under the same names.

A device is given as an index, "flagos", "flagos:1" or a torch.device; None is the current device. Names of torch.cuda
and torch.accelerator that are missing here are in `absent.py`, each with its reason, and asking for one raises it.
"""

from __future__ import annotations

from typing import Any

from torch_fl.flagos import amp
from torch_fl.flagos.absent import reason as _absent_reason
from torch_fl.flagos.amp import get_amp_supported_dtype
from torch_fl.flagos.device import (
    AcceleratorError,
    DeviceProperties,
    can_device_access_peer,
    current_device,
    device,
    device_count,
    device_of,
    get_arch_list,
    get_device_capability,
    get_device_name,
    get_device_properties,
    init,
    is_available,
    is_bf16_supported,
    is_initialized,
    set_device,
    synchronize,
)
from torch_fl.flagos.device import _is_in_bad_fork as _is_in_bad_fork
from torch_fl.flagos.device import _lazy_init as _lazy_init
from torch_fl.flagos.interop import from_dlpack, from_host, host_view, to_dlpack
from torch_fl.flagos.memory import (
    OutOfMemoryError,
    caching_allocator_alloc,
    caching_allocator_delete,
    device_memory_used,
    empty_cache,
    empty_host_cache,
    get_allocator_backend,
    get_per_process_memory_fraction,
    host_memory_stats,
    host_memory_stats_as_nested_dict,
    max_memory_allocated,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_reserved,
    memory_snapshot,
    memory_stats,
    memory_stats_as_nested_dict,
    memory_summary,
    reset_accumulated_host_memory_stats,
    reset_accumulated_memory_stats,
    reset_peak_host_memory_stats,
    reset_peak_memory_stats,
    set_per_process_memory_fraction,
)
from torch_fl.flagos.random import (
    default_generator,
    get_rng_state,
    get_rng_state_all,
    initial_seed,
    manual_seed,
    manual_seed_all,
    seed,
    seed_all,
    set_rng_state,
    set_rng_state_all,
)
from torch_fl.flagos.streams import (
    Event,
    Stream,
    StreamContext,
    current_stream,
    default_stream,
    is_current_stream_capturing,
    set_stream,
    stream,
)

__all__ = [
    "AcceleratorError",
    "DeviceProperties",
    "Event",
    "OutOfMemoryError",
    "Stream",
    "StreamContext",
    "amp",
    "caching_allocator_alloc",
    "caching_allocator_delete",
    "can_device_access_peer",
    "current_device",
    "current_stream",
    "default_generator",
    "default_generators",
    "default_stream",
    "device",
    "device_count",
    "device_memory_used",
    "device_of",
    "empty_cache",
    "empty_host_cache",
    "from_dlpack",
    "from_host",
    "get_allocator_backend",
    "get_amp_supported_dtype",
    "get_arch_list",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_per_process_memory_fraction",
    "get_rng_state",
    "get_rng_state_all",
    "has_half",
    "host_memory_stats",
    "host_memory_stats_as_nested_dict",
    "host_view",
    "init",
    "initial_seed",
    "is_available",
    "is_bf16_supported",
    "is_current_stream_capturing",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory",
    "memory_allocated",
    "memory_reserved",
    "memory_snapshot",
    "memory_stats",
    "memory_stats_as_nested_dict",
    "memory_summary",
    "random",
    "reset_accumulated_host_memory_stats",
    "reset_accumulated_memory_stats",
    "reset_peak_host_memory_stats",
    "reset_peak_memory_stats",
    "seed",
    "seed_all",
    "set_device",
    "set_per_process_memory_fraction",
    "set_rng_state",
    "set_rng_state_all",
    "set_stream",
    "stream",
    "streams",
    "synchronize",
    "to_dlpack",
]

has_half = True


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name == "default_generators":  # not a plain attribute: counting devices would find the drivers at import
        return tuple(default_generator(index) for index in range(device_count()))
    if name == "_initialized":  # checkpointing saves the device's random state where this is true
        return is_initialized()
    if name == "Scheduling":
        # The seam of Note [Compiling for flagos]: Inductor asks for this when it compiles for the first time.
        from torch_fl.compilation import inductor_retarget

        inductor_retarget.install()
    if why := _absent_reason(name):
        raise AttributeError(f"torch.flagos has no '{name}': {why}")
    raise AttributeError(f"module 'torch.flagos' has no attribute '{name}'")
