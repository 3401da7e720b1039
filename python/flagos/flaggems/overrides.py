"""Functions that FlagGems takes from its vendor in place of its own, by name: FlagGems' mechanism, used for mistakes.

Each wraps the function of FlagGems with what 5.0.2 gets wrong on every device: operands that it takes for contiguous
without a look, results of a dtype or shape that PyTorch does not give. A row goes when FlagGems gets it right.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch

Function = Callable[..., Any]


def _original(name: str) -> Function:
    return getattr(importlib.import_module("flag_gems.ops"), name)


def _integers_as_floats(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and not value.is_floating_point() and not value.is_complex():
        return value.to(torch.get_default_dtype())
    return value


def _dense(value: Any) -> Any:
    return value.contiguous() if isinstance(value, torch.Tensor) else value


def _with_operands(name: str, prepare: Callable[[Any], Any]) -> Function:
    """FlagGems' function over operands that `prepare` has seen."""

    def function(*args: Any, **kwargs: Any) -> Any:
        return _original(name)(*(prepare(arg) for arg in args), **{key: prepare(arg) for key, arg in kwargs.items()})

    return function


def _sums_integers_as_int64(name: str) -> Function:
    """PyTorch adds and multiplies integers in int64 unless a dtype is asked for."""

    def function(inp: torch.Tensor, *args: Any, dtype: torch.dtype | None = None, **kwargs: Any) -> Any:
        if dtype is None and not (inp.is_floating_point() or inp.is_complex()):
            dtype = torch.int64
        return _original(name)(inp, *args, dtype=dtype, **kwargs)

    return function


def _absent_as_empty(name: str) -> Function:
    """Results that were not asked for are empty tensors, not None."""

    def function(inp: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        results = _original(name)(inp, *args, **kwargs)
        return tuple(
            torch.empty(0, dtype=torch.int64, device=inp.device) if result is None else result for result in results
        )

    return function


def _of_first_dtype(name: str) -> Function:
    def function(mean: torch.Tensor, std: Any, *, generator: Any = None) -> torch.Tensor:
        return _original(name)(mean, std, generator=generator).to(mean.dtype)

    return function


def nan_to_num(A: torch.Tensor, nan: Any = None, posinf: Any = None, neginf: Any = None) -> torch.Tensor:
    """Integers have neither NaN nor infinity."""
    if not A.is_floating_point():
        return A.clone()
    return _original("nan_to_num")(A, nan, posinf, neginf)


def layer_norm(
    input: torch.Tensor, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean and deviation keep the dimensions of the input, those that were normalised as 1."""
    out, mean, deviation = _original("layer_norm")(input, normalized_shape, weight, bias, eps)
    kept = [*input.shape[: input.dim() - len(normalized_shape)], *([1] * len(normalized_shape))]
    return out, mean.view(kept), deviation.view(kept)


FUNCTIONS: dict[str, Function] = {
    "slice_backward": _with_operands("slice_backward", _dense),
    "conv3d": _with_operands("conv3d", _dense),
    "atan2": _with_operands("atan2", _integers_as_floats),
    "erf": _with_operands("erf", _integers_as_floats),
    "log": _with_operands("log", _integers_as_floats),
    "logit": _with_operands("logit", _integers_as_floats),
    "special_i0e": _with_operands("special_i0e", _integers_as_floats),
    "special_i1": _with_operands("special_i1", _integers_as_floats),
    "sum": _sums_integers_as_int64("sum"),
    "sum_dim": _sums_integers_as_int64("sum_dim"),
    "prod": _sums_integers_as_int64("prod"),
    "prod_dim": _sums_integers_as_int64("prod_dim"),
    "_unique2": _absent_as_empty("_unique2"),
    "unique_consecutive": _absent_as_empty("unique_consecutive"),
    "normal_tensor_float": _of_first_dtype("normal_tensor_float"),
    "nan_to_num": nan_to_num,
    "layer_norm": layer_norm,
}
for _name, _function in FUNCTIONS.items():
    _function.__name__ = _name  # FlagGems registers and excludes by it
