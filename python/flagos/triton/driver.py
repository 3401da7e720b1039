"""What Triton asks of a driver: which target tensors live on, and how a compiled kernel is loaded and launched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.backends.driver import DriverBase

from flagos.triton import inductor_tuning, native, versions
from flagos.triton.launcher import load, make_launcher


class _Utils:
    """The functions of a driver that Triton reaches through `driver.active.utils`."""

    @staticmethod
    def load_binary(name: str, kernel: bytes, shared: int, device: int) -> tuple[Any, Any, int, int, int]:
        inductor_tuning.register()
        loaded = load(name, kernel)
        return loaded, loaded, 0, 0, 1 << 30  # module, function, registers, spills, most threads

    @staticmethod
    def get_device_properties(device: int) -> dict[str, int]:
        return {"max_shared_mem": 1 << 30, "multiprocessor_count": native.thread_count(), "warpSize": 1}


class CpuDriver(DriverBase):
    """The host as Triton's active device. Active by itself where no other Triton driver is."""

    launcher_cls = staticmethod(make_launcher)

    def __init__(self) -> None:
        versions.check(triton.__version__)
        super().__init__()
        self.utils = _Utils()

    @classmethod
    def is_active(cls) -> bool:
        from triton.backends import backends

        others = (backend.driver for backend in backends.values() if backend.driver is not cls)
        return not any(driver.is_active() for driver in others)

    def map_python_to_cpp_type(self, ty: str) -> str:
        return ty

    def get_current_target(self) -> GPUTarget:
        target = native.host_target()
        return GPUTarget("cpu", target.key, 1)

    def get_current_device(self) -> int:
        return 0

    def set_current_device(self, device: int) -> None:
        """There is one."""

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_active_torch_device(self) -> Any:
        import torch

        return torch.device("cpu")

    def get_device_interface(self) -> Any:
        from flagos.triton.benchmarker import HostInterface

        return HostInterface

    def get_benchmarker(self) -> Callable[..., Sequence[float]]:
        from flagos.triton.benchmarker import benchmark

        return benchmark

    def get_empty_cache_for_benchmark(self) -> Any:
        import torch

        return torch.empty(8 << 20, dtype=torch.int32, device="cpu")

    def clear_cache(self, cache: Any) -> None:
        cache.zero_()
