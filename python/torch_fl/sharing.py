"""Tensors sent to other processes: through torch.multiprocessing queues, pipes and arguments of spawned processes.

They are sent by value: the receiver gets a copy on the device of the same index. (PyTorch shares the memory of CPU and
CUDA tensors; no driver shares device memory between processes yet, its group ipc/1.)
"""

from __future__ import annotations

from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch
from torch.multiprocessing import reductions


def register() -> None:
    """Takes over how multiprocessing pickles tensors; those of other devices go PyTorch's own way."""
    for kind in (torch.Tensor, torch.nn.Parameter):
        ForkingPickler.register(kind, _reduce)


def _reduce(tensor: torch.Tensor) -> Any:
    if tensor.device.type != "flagos":
        return reductions.reduce_tensor(tensor)
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "flagos: a tensor with a gradient history cannot be sent to another process, for autograd ends there; "
            "detach() it"
        )
    # The bytes themselves, not shared memory: its descriptor would have to outlive this call until the receiver has it.
    host = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
    data = host.flatten().view(torch.uint8).numpy().tobytes()
    strides = torch.empty_like(tensor, device="meta").stride()  # dense, in the order of the tensor's own
    return _rebuild, (
        isinstance(tensor, torch.nn.Parameter),
        data,
        tensor.dtype,
        tuple(tensor.shape),
        strides,
        tensor.device.index,
        tensor.requires_grad,
    )


def _rebuild(
    parameter: bool,
    data: bytes,
    dtype: torch.dtype,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    index: int,
    requires_grad: bool,
) -> torch.Tensor:
    tensor = torch.empty_strided(shape, strides, dtype=dtype, device=torch.device("flagos", index))
    if data:
        tensor.copy_(torch.frombuffer(bytearray(data), dtype=dtype).view(shape))
    return torch.nn.Parameter(tensor, requires_grad) if parameter else tensor.requires_grad_(requires_grad)
