"""Says in one sentence how two results differ: kind, device, shape, dtype, strides, flags, values. It never raises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Tolerance:
    """`|actual - expected| <= absolute + relative * |expected|`; both 0 asks for equal bits."""

    relative: float
    absolute: float

    def __str__(self) -> str:
        return f"{self.relative:g} relative + {self.absolute:g}"

    @property
    def exact(self) -> bool:
        return self.relative == 0 and self.absolute == 0


@dataclass(frozen=True)
class Comparison:
    """How results are compared: by the tolerance of each dtype ("float32" …), on which device, and what besides."""

    device: torch.device
    tolerances: Mapping[str, Tolerance]
    values: bool = True
    strides: bool = True

    def difference(self, expected: Any, actual: Any, *, placed: bool, path: str = "result") -> str | None:
        """The first difference, or None. `placed`: something of the call lay on the device, so its tensors must too."""
        if isinstance(expected, torch.Tensor):
            if not isinstance(actual, torch.Tensor):
                return f"{path}: a tensor was expected, got {type(actual).__name__}"
            return self._tensor(expected, actual, placed, path)
        if isinstance(expected, (list, tuple)):
            if not isinstance(actual, (list, tuple)) or len(actual) != len(expected):
                return f"{path}: a sequence of {len(expected)} was expected, got {_short(actual)}"
            pairs = [(f"{path}[{index}]", *pair) for index, pair in enumerate(zip(expected, actual, strict=True))]
        elif isinstance(expected, dict):
            if not isinstance(actual, dict) or expected.keys() != actual.keys():
                return f"{path}: a dict of {sorted(map(str, expected))} was expected, got {_short(actual)}"
            pairs = [(f"{path}[{key!r}]", expected[key], actual[key]) for key in expected]
        else:
            return self._plain(expected, actual, path)
        for name, left, right in pairs:
            if found := self.difference(left, right, placed=placed, path=name):
                return found
        return None

    def _plain(self, expected: Any, actual: Any, path: str) -> str | None:
        if isinstance(expected, torch.device) and isinstance(actual, torch.device):
            return None
        if type(expected) is not type(actual):
            return f"{path}: {type(expected).__name__} was expected, got {type(actual).__name__}"
        if isinstance(expected, (float, complex)):
            return self._tensor(torch.tensor(expected), torch.tensor(actual), False, path)
        if self.values and expected != actual:
            return f"{path}: {_short(expected)} was expected, got {_short(actual)}"
        return None

    def _tensor(self, expected: torch.Tensor, actual: torch.Tensor, placed: bool, path: str) -> str | None:
        if placed and actual.device.type != self.device.type:
            return f"{path}: lies on {actual.device}, not on {self.device.type}"
        for name in ("layout", "dtype", "shape", "requires_grad"):
            left, right = getattr(expected, name), getattr(actual, name)
            if left != right:
                return f"{path}: {name} {_short(right)}, expected {_short(left)}"
        if expected.layout != torch.strided or expected.is_nested:
            return self._values(_dense(expected), _dense(actual), path)
        for name in ("stride", "is_conj", "is_neg") if self.strides else ("is_conj", "is_neg"):
            left, right = getattr(expected, name)(), getattr(actual, name)()
            if left != right:
                return f"{path}: {name} {right}, expected {left}"
        return self._values(expected.detach(), actual.detach(), path)

    def _values(self, expected: torch.Tensor, actual: torch.Tensor, path: str) -> str | None:
        if not self.values or expected.numel() == 0:
            return None
        expected, actual = expected.resolve_conj().resolve_neg(), actual.cpu().resolve_conj().resolve_neg()
        if expected.is_quantized:
            expected, actual = expected.int_repr(), actual.int_repr()
        tolerance = self.tolerances.get(str(expected.dtype).removeprefix("torch."), Tolerance(0, 0))
        if torch.equal(_bits(expected), _bits(actual)):
            return None
        exact_kind = not (expected.is_floating_point() or expected.is_complex())
        if tolerance.exact or exact_kind:
            return f"{path}: {_how_far(expected, actual)}; equal bits were expected"
        left, right = _widen(expected), _widen(actual)
        if torch.allclose(left, right, tolerance.relative, tolerance.absolute, equal_nan=True):
            return None
        return f"{path}: {_how_far(expected, actual)}; {tolerance} is allowed"


def _dense(tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.detach().cpu()
    return torch.cat([part.reshape(-1) for part in tensor.unbind()]) if tensor.is_nested else tensor.to_dense()


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    # A fresh tensor: one element may carry any stride, and `view` asks for 1.
    return torch.empty(tensor.numel(), dtype=tensor.dtype).copy_(tensor.reshape(-1)).view(torch.uint8)


def _widen(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)


def _how_far(expected: torch.Tensor, actual: torch.Tensor) -> str:
    left, right = _widen(expected), _widen(actual)
    apart = (left - right).abs().nan_to_num(nan=float("inf"))
    apart[(left == right) | (left.isnan() & right.isnan())] = 0
    count = int((apart != 0).sum())
    if count == 0:
        return f"the sign of a zero or the bits of a NaN differ ({expected.numel()} elements)"
    return f"{count} of {expected.numel()} elements differ, by up to {apart.max().item():.3g}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
