"""Functions that FlagGems takes from its vendor in place of its own, by name: FlagGems' mechanism, used for mistakes.

Each wraps the function of FlagGems with what 5.0.2 gets wrong on every device: operands that it takes for contiguous
without a look, results of a dtype or shape that PyTorch does not give. A row goes when FlagGems gets it right.
"""

from __future__ import annotations

import functools
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


def _shift(name: str) -> Function:
    """FlagGems hands an absent `out` to its kernel."""

    def function(self: torch.Tensor, other: Any, *, out: torch.Tensor | None = None) -> torch.Tensor:
        kernel = getattr(importlib.import_module(f"flag_gems.ops.{name}"), f"{name}_kernel")
        return kernel(self, other) if out is None else kernel(self, other, out0=out)

    return function


def zero(self: torch.Tensor) -> torch.Tensor:
    """A new tensor; FlagGems overwrites the operand."""
    return _original("zeros_like")(self)


def topk(x: torch.Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The kernel pads a row by the least float, which integers do not have."""
    if not x.is_floating_point():
        raise NotImplementedError("FlagGems picks among floats alone")
    return _original("topk")(x.contiguous(), k, dim, largest, sorted)


def unique_consecutive(
    input: torch.Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    if dim is not None:
        raise NotImplementedError("an axis: FlagGems hands it to PyTorch and mixes up the results")
    return _absent_as_empty("unique_consecutive")(input, return_inverse, return_counts)


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


def _in_place(name: str) -> Function:
    """The first operand holds the result, where FlagGems returns a new tensor."""

    def function(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        result = _original(name)(x.contiguous(), *map(_dense, args), **kwargs)
        return x if result.data_ptr() == x.data_ptr() else x.copy_(result)

    return function


def _into_dense(name: str) -> Function:
    """FlagGems writes `out` as if it were contiguous."""

    def function(*args: Any, out: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        if not out.is_contiguous():
            raise NotImplementedError("FlagGems writes into contiguous outputs alone")
        return _original(name)(*map(_dense, args), out=out, **kwargs)

    return function


def _through_dense(name: str) -> Function:
    """FlagGems writes as many elements as there are from the first on, whatever the strides."""

    def function(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if x.is_contiguous():
            return _original(name)(x, *args, **kwargs)
        dense = x.contiguous()
        _original(name)(dense, *args, **kwargs)
        return x.copy_(dense)

    return function


def gather_backward(grad: torch.Tensor, self: torch.Tensor, dim: int, index: torch.Tensor, sparse_grad: bool) -> Any:
    """FlagGems finds out that it adds no bfloat16 when it has begun."""
    if grad.dtype == torch.bfloat16:
        raise NotImplementedError("FlagGems scatters no sums of bfloat16")
    return _original("gather_backward")(grad, self, dim, index, sparse_grad)


def _narrow(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype in (torch.float16, torch.bfloat16)


def _in_float(name: str) -> Function:
    """Operands of 16 bits are widened and the result rounded: Triton's rounding functions take none, and partial sums
    do not fit float16."""

    def function(x: Any, *args: Any, **kwargs: Any) -> Any:
        operands = (x, *args)
        if not any(map(_narrow, operands)):
            return _original(name)(x, *args, **kwargs)
        dtype = functools.reduce(torch.promote_types, [o.dtype for o in operands if isinstance(o, torch.Tensor)])
        wide = [operand.float() if _narrow(operand) else operand for operand in operands]
        return _original(name)(*wide, **kwargs).to(dtype)

    return function


def _in_float_in_place(name: str) -> Function:
    def function(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if not _narrow(x):
            return _original(name)(x, *args, **kwargs)
        wide = [arg.float() if _narrow(arg) else arg for arg in args]
        return x.copy_(_original(name)(x.float(), *wide, **kwargs))

    return function


def _refusing_errors(name: str) -> Function:
    """What FlagGems meets with PyTorch's errors halfway, it does not serve."""

    def function(*args: Any, **kwargs: Any) -> Any:
        try:
            return _original(name)(*args, **kwargs)
        except RuntimeError as error:
            raise NotImplementedError(str(error).splitlines()[0]) from error

    return function


def _groups_of_a_power_of_two(name: str, channels: int, groups: int) -> Function:
    """The kernel's block of channels reaches into the next group otherwise. The numbers are those of the arguments."""

    def function(*args: Any, **kwargs: Any) -> Any:
        size = args[channels] // args[groups]
        if size & (size - 1) and args[groups] > 1:
            raise NotImplementedError(f"groups of {size} channels: FlagGems' kernel is right for powers of two")
        return _original(name)(*args, **kwargs)

    return function


def nll_loss_forward(
    self: torch.Tensor, target: torch.Tensor, weight: Any = None, reduction: int = 1, ignore_index: int = -100
) -> tuple[torch.Tensor, torch.Tensor]:
    """Without a reduction there is no sum of weights."""
    loss, total = _original("nll_loss_forward")(self, target, weight, reduction, ignore_index)
    return loss, total if reduction else torch.zeros((), dtype=self.dtype, device=self.device)


def _upsample_nearest_exact1d(input: torch.Tensor, output_size: Any, scales: float | None = None) -> torch.Tensor:
    """The nearest element of each output's centre; FlagGems takes that of its left edge."""
    width, out = input.shape[-1], int(output_size[0])
    scale = 1 / scales if scales else width / out
    centres = (torch.arange(out, device=input.device, dtype=torch.float32) + 0.5) * scale
    return torch.index_select(input, input.dim() - 1, centres.floor().clamp(max=width - 1).to(torch.int64))


def kron(A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
    """FlagGems writes where the parts of 256 blocks of four dimensions are, past the end of its memory for fewer."""
    if max(A.dim(), B.dim()) == 4 and min(A.dim(), B.dim()) > 0 and A.numel() and B.numel():
        grown = [x.reshape(1, *[1] * (4 - x.dim()), *x.shape) for x in (A, B)]
        return _original("kron")(*grown).squeeze(0)
    return _original("kron")(A, B)


_INTO_DENSE = (
    "cumsum_out",
    "hardsigmoid_out",
    "reflection_pad1d_out",
    "reflection_pad2d_out",
    "sum_dim_out",
    "sum_out",
)
#: Those that fail halfway, with an error of PyTorch's, on calls that they do not serve.
_PARTLY = ("count_nonzero", "index_put", "index_put_", "masked_scatter_", "polar", "sinh_", "_index_put_impl_")

#: Operands that FlagGems' kernel takes for contiguous without a look.
_DENSE = (
    "_safe_softmax",
    "_upsample_bicubic2d_aa",
    "amax",
    "aminmax",
    "batch_norm",
    "batch_norm_backward",
    "conv1d",
    "conv2d",
    "conv3d",
    "dot",
    "dropout_backward",
    "group_mm",
    "hardsigmoid",
    "log_softmax_backward",
    "quantile",
    "repeat_interleave_self_tensor",
    "repeat_interleave_tensor",
    "scatter",
    "select_scatter",
    "slice_backward",
    "slice_scatter",
    "softmax_backward",
    "upsample_nearest1d",
    "upsample_nearest2d",
    "upsample_nearest3d",
    "var",
    "var_correction",
    "var_dim",
    "var_mean",
    "weight_norm_interface",
)

FUNCTIONS: dict[str, Function] = {
    **{name: _with_operands(name, _dense) for name in _DENSE},
    **{name: _into_dense(name) for name in _INTO_DENSE},
    **{name: _refusing_errors(name) for name in _PARTLY},
    **{name: _through_dense(name) for name in ("zero_", "uniform_", "normal_", "exponential_", "bernoulli_")},
    "gather_backward": gather_backward,
    "scatter_add_": _in_place("scatter_add_"),
    **{name: _in_float(name) for name in ("vector_norm", "div_mode", "floor_divide")},
    **{name: _in_float_in_place(name) for name in ("div_mode_", "floor_divide_")},
    "group_norm": _groups_of_a_power_of_two("group_norm", 4, 6),
    "group_norm_backward": _groups_of_a_power_of_two("group_norm_backward", 6, 8),
    "kron": kron,
    "nll_loss_forward": nll_loss_forward,
    "_upsample_nearest_exact1d": _upsample_nearest_exact1d,
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
    "topk": topk,
    "zero": zero,
    "unique_consecutive": unique_consecutive,
    "normal_tensor_float": _of_first_dtype("normal_tensor_float"),
    **{name: _shift(name) for name in ("bitwise_left_shift", "bitwise_right_shift")},
    "nan_to_num": nan_to_num,
    "layer_norm": layer_norm,
}
for _name, _function in FUNCTIONS.items():
    _function.__name__ = _name  # FlagGems registers and excludes by it
