"""Errors of the operators: each names the operator, the tensor and what was expected, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable

import torch


def require(holds: bool, operator: str, tensor: str, got: object, expected: str) -> None:
    """ValueError "flagos_rms_norm: x has shape (3, 4); expected a last dimension of 8" unless `holds`."""
    if not holds:
        raise ValueError(f"{operator}: {tensor} {got}; expected {expected}")


def require_dtype(operator: str, tensor: str, value: torch.Tensor, allowed: Iterable[torch.dtype]) -> None:
    """TypeError unless the tensor has one of these dtypes."""
    allowed = tuple(allowed)
    if value.dtype not in allowed:
        names = " or ".join(str(dtype).removeprefix("torch.") for dtype in allowed)
        raise TypeError(f"{operator}: {tensor} has dtype {str(value.dtype).removeprefix('torch.')}; expected {names}")


def require_same_device(operator: str, tensors: dict[str, torch.Tensor | None]) -> None:
    """ValueError unless all tensors are on one device."""
    given = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    devices = {tensor.device for tensor in given.values()}
    if len(devices) > 1:
        told = ", ".join(f"{name} on {tensor.device}" for name, tensor in given.items())
        raise ValueError(f"{operator}: the tensors are on different devices ({told}); expected one")


def missing(operator: str, name: str, where: str) -> KeyError:
    """The error for a tensor that is not where it should be."""
    return KeyError(f"{operator}: there is no tensor '{name}' in {where}")
