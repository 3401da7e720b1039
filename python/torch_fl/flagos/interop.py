"""Tensors over memory of the other side, without a copy: host views and DLPack."""

from __future__ import annotations

from typing import Any

import torch

from torch_fl.flagos.device import DeviceLike, index_of

_ops = torch.ops.flagos


def host_view(tensor: torch.Tensor) -> torch.Tensor:
    """A CPU tensor over the same memory, which it keeps alive; no gradient flows through it.

    Waits for the device first. Work that is started on the device later is the caller's to wait for. Raises
    NotImplementedError where the host cannot read device memory: copy with `tensor.cpu()`.
    """
    if tensor.device.type != "flagos":
        raise ValueError(f"flagos: host_view takes a flagos tensor, not one on {tensor.device}")
    return _ops.host_view(tensor.detach())


def from_host(tensor: torch.Tensor, device: DeviceLike = None) -> torch.Tensor:
    """A flagos tensor over the memory of a CPU tensor, which it keeps alive; the inverse of host_view."""
    return _ops.from_host(tensor.detach(), index_of(device))


def to_dlpack(tensor: torch.Tensor) -> Any:
    """A DLPack capsule over the tensor's memory, of device type kDLExtDev.

    `torch.utils.dlpack.to_dlpack` and `tensor.__dlpack__()` do the same; torch.from_dlpack(tensor) fails in PyTorch
    2.13, whose `tensor.__dlpack_device__()` refuses the name flagos.
    """
    if tensor.requires_grad:
        raise BufferError(
            "flagos: a tensor that requires grad cannot be exported, for gradients would not follow: detach it"
        )
    return torch._C._to_dlpack(tensor)


def from_dlpack(ext_tensor: Any) -> torch.Tensor:
    """A tensor over the memory of a DLPack capsule, or of an object with __dlpack__()."""
    if hasattr(ext_tensor, "__dlpack__"):
        if isinstance(ext_tensor, torch.Tensor) and ext_tensor.device.type == "flagos":
            return torch._C._from_dlpack(to_dlpack(ext_tensor))
        return torch.from_dlpack(ext_tensor)
    return torch._C._from_dlpack(ext_tensor)
