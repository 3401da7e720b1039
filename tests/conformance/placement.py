"""Rebuilds a sample on a device the way it lay on the CPU: strides, offset and the storage behind a view are kept.

The CPU side is rebuilt too, so that both sides start from fresh memory and an operator that writes to its operands
spoils nothing. It is not a copy in the sense of `Tensor.to`, which packs a view and so hides what the operator sees.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.testing._internal.common_utils import TestCase  # noqa: F401  (sets the defaults that the databases expect)


class Placement:
    """Moves the values of one call to `device`; tensors that shared memory before share it afterwards."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self.moved_something = False
        self._storages: dict[int, torch.UntypedStorage] = {}
        self._tensors: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def __call__(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, torch.device):
            self.moved_something |= value.type == "cpu"
            return self.device if value.type == "cpu" else value
        if value == "cpu" and isinstance(value, str):
            self.moved_something = True
            return str(self.device)
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*(self(item) for item in value))
        if type(value) in (list, tuple):
            return type(value)(self(item) for item in value)
        if type(value) is dict:
            return {key: self(item) for key, item in value.items()}
        return value

    def _tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        # The key is the object, and the entry keeps it alive, so that an id is never met twice for two tensors.
        if id(tensor) not in self._tensors:
            self._tensors[id(tensor)] = (tensor, self._move(tensor))
        self.moved_something = True
        return self._tensors[id(tensor)][1]

    @torch.no_grad()
    def _move(self, tensor: torch.Tensor) -> torch.Tensor:
        source = tensor.detach()
        if source.layout != torch.strided or source.is_quantized or source.is_nested:
            moved = source.clone() if self.device.type == "cpu" else source.to(self.device)
        elif source.is_conj():
            moved = torch.conj(self._move(torch.conj(source)))
        elif source.is_neg():
            moved = torch._neg_view(self._move(torch._neg_view(source)))
        else:
            moved = torch.empty(0, dtype=source.dtype, device=self.device)
            moved.set_(self._storage(source), source.storage_offset(), source.size(), source.stride())
        if isinstance(tensor, torch.nn.Parameter):
            return torch.nn.Parameter(moved, requires_grad=tensor.requires_grad)
        return moved.requires_grad_(tensor.requires_grad)

    def _storage(self, tensor: torch.Tensor) -> torch.UntypedStorage:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._storages:
            flat = torch.empty(0, dtype=torch.uint8).set_(storage)
            copy = flat.clone() if self.device.type == "cpu" else flat.to(self.device)
            self._storages[storage._cdata] = copy.untyped_storage()
        return self._storages[storage._cdata]
