"""safetensors.safe_open for flagos. LightX2V opens checkpoints with device="flagos", which safetensors refuses by name.

safetensors (0.8.0) knows a fixed list of device names. The function put in its place opens the file for the CPU and
moves each tensor to the device; a call for any other device goes to safetensors untouched. It is installed when
LightX2V has chosen flagos, before LightX2V's model code takes the name.

Remove this file when safetensors accepts the name of PyTorch's external device.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import TracebackType
from typing import Any

import torch
from torch import Tensor


class _Slice:
    """A tensor that is read in parts: each part lands on the device."""

    def __init__(self, inner: Any, device: torch.device) -> None:
        self._inner, self._device = inner, device
        self.get_shape, self.get_dtype = inner.get_shape, inner.get_dtype

    def __getitem__(self, index: Any) -> Tensor:
        return self._inner[index].to(self._device)


class _File:
    """An open file whose tensors land on the device. Each method of safetensors' own file is here: one that was passed
    on unseen could hand out tensors of the CPU."""

    def __init__(self, inner: Any, device: torch.device) -> None:
        self._inner, self._device = inner, device
        for name in ("keys", "offset_keys", "metadata"):
            if hasattr(inner, name):  # older ones lack one
                setattr(self, name, getattr(inner, name))

    def get_tensor(self, name: str) -> Tensor:
        return self._inner.get_tensor(name).to(self._device)

    def get_tensors(self, *names: Any) -> dict[str, Tensor]:
        return {name: tensor.to(self._device) for name, tensor in self._inner.get_tensors(*names).items()}

    def get_slice(self, name: str) -> _Slice:
        return _Slice(self._inner.get_slice(name), self._device)

    def __enter__(self) -> _File:
        self._inner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inner.__exit__(kind, error, trace)


def install() -> None:
    """Puts the function in place of safetensors.safe_open and safetensors.torch's. A second call does nothing."""
    import safetensors.torch

    original = safetensors.safe_open
    if getattr(original, "__module__", "") == __name__:
        return
    opening = _opening(original)
    safetensors.safe_open = opening  # type: ignore[misc,assignment]
    safetensors.torch.safe_open = opening  # type: ignore[attr-defined]


def _opening(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original, assigned=("__doc__",), updated=())
    def safe_open(filename: Any, framework: str, device: Any = "cpu", **options: Any) -> Any:
        target = _flagos(device)
        if target is None or framework not in ("pt", "torch", "pytorch"):
            return original(filename, framework=framework, device=device, **options)
        return _File(original(filename, framework=framework, device="cpu", **options), target)

    return safe_open


def _flagos(device: Any) -> torch.device | None:
    """The device when it is ours. An index is PyTorch's accelerator to safetensors already, and passes."""
    if isinstance(device, torch.device):
        return device if device.type == "flagos" else None
    if isinstance(device, str) and device.partition(":")[0] == "flagos":
        return torch.device(device)
    return None
