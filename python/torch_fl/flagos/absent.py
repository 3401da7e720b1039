"""What torch.cuda and torch.accelerator have and torch.flagos has not, each with its reason. Data: a test walks it."""

from __future__ import annotations

_TENSOR_TYPES = "typed constructors are not made for new devices; say torch.empty(..., dtype=..., device='flagos')"
_NVIDIA = "it belongs to NVIDIA's libraries; a flagos device is of any vendor"
_GRAPHS = "no driver offers the group graph/1 yet, so work cannot be captured and replayed"
_SENSORS = "the driver table has no sensors; ask the vendor's own tool"
_POOLS = "there is one caching allocator a device; a driver brings its own memory by the driver table"
_ACCELERATOR = "torch.accelerator answers it for flagos; this is its name there"
_DEPRECATED = "deprecated in torch.cuda; use the name without _cached and _max"
_IMPORTED = "it is a module or name that torch.cuda imported for itself"

_REASONS: dict[str, tuple[str, ...]] = {
    _TENSOR_TYPES: (
        "BFloat16Storage", "BFloat16Tensor", "BoolStorage", "BoolTensor", "ByteStorage", "ByteTensor", "CharStorage",
        "CharTensor", "ComplexDoubleStorage", "ComplexFloatStorage", "DoubleStorage", "DoubleTensor", "FloatStorage",
        "FloatTensor", "HalfStorage", "HalfTensor", "IntStorage", "IntTensor", "LongStorage", "LongTensor",
        "ShortStorage", "ShortTensor",
    ),
    _NVIDIA: (
        "CudaError", "DeferredCudaCallError", "ExternalStream", "GreenContext", "check_error", "cudaStatus", "cudart",
        "current_blas_handle", "current_solver_handle", "gds", "get_gencode_flags", "get_stream_from_external",
        "green_contexts", "has_magma", "is_tf32_supported", "jiterator", "nccl", "nvtx", "profiler", "sparse",
        "tunable", "PYTORCH_RELEASES_CODE_CC", "DEVICE_REQUIREMENT",
    ),
    _GRAPHS: ("CUDAGraph", "Graph", "graph", "graph_pool_handle", "graphs", "make_graphed_callables"),
    _SENSORS: ("clock_rate", "list_gpu_processes", "memory_usage", "power_draw", "temperature", "utilization"),
    _POOLS: (
        "CUDAPluggableAllocator", "MemPool", "caching_allocator_disabled", "caching_allocator_enable",
        "change_current_allocator", "use_mem_pool",
    ),
    _ACCELERATOR: (
        "current_accelerator", "current_device_idx", "current_device_index", "device_index", "get_memory_info",
        "set_device_idx", "set_device_index",
    ),
    _DEPRECATED: ("max_memory_cached", "memory_cached", "reset_max_memory_allocated", "reset_max_memory_cached"),
    "memory is not shared between processes through the driver yet (its group ipc/1)": ("ipc_collect",),
    "hidden waits are not tracked; the ledger (torch_fl.routing.trace) shows copied bytes for each operator": (
        "get_sync_debug_mode", "set_sync_debug_mode",
    ),
    _IMPORTED: (
        "Any", "Callable", "Device", "NewType", "Optional", "TYPE_CHECKING", "cache", "cast", "classproperty",
        "deprecated", "importlib", "lru_cache", "os", "platform", "threading", "torch", "traceback", "warnings",
    ),
}  # fmt: skip

ABSENT: dict[str, str] = {name: why for why, names in _REASONS.items() for name in names}


def reason(name: str) -> str | None:
    """Why torch.flagos has no such name; None for a name that no other device module has either."""
    return ABSENT.get(name)
