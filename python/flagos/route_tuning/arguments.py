"""Arguments for every operator that FlagGems registers, as data: from PyTorch's operator database, or made here.

The database speaks of functions ("nn.functional.pad"), FlagGems of overloads ("reflection_pad1d.out"). A function of
the database is run on the CPU and the calls of the overload that it leads to are taken down (calls.py). SOURCES names
the function where it is not called as the overload; MADE makes arguments for overloads that none leads to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Call = tuple[tuple[Any, ...], dict[str, Any]]

#: Overload -> the database's function, where names differ.
SOURCES = {
    "_log_softmax_backward_data": "log_softmax",
    "_softmax_backward_data": "softmax",
    "_to_copy": "to",
    "_unique2": "unique",
    "_upsample_nearest_exact1d": "nn.functional.interpolate.nearest-exact",
    "_safe_softmax": "torch.ops.aten._safe_softmax.default",
    "avg_pool2d_backward": "nn.functional.avg_pool2d",
    "bernoulli_.float": "nn.functional.dropout",
    "clamp_": "nn.functional.gaussian_nll_loss",
    "clamp_min": "nn.functional.normalize",
    "clamp_min_": "nn.functional.margin_ranking_loss",
    "diagonal_backward": "diagonal",
    "div.Scalar": "gradient",
    "div.Tensor": "div.no_rounding_mode",
    "div.out": "div.no_rounding_mode",
    "div_.Tensor": "div.no_rounding_mode",
    "div.Tensor_mode": "div.floor_rounding",
    "div_.Tensor_mode": "div.trunc_rounding",
    "div_.Scalar": "nn.functional.dropout",
    "elu_backward": "nn.functional.elu",
    "embedding_dense_backward": "nn.functional.embedding",
    "eq.Scalar": "masked.cumprod",
    "fill_.Scalar": "addcdiv",
    "gelu_backward": "nn.functional.gelu",
    "ge.Scalar": "nn.functional.hinge_embedding_loss",
    "glu_backward": "nn.functional.glu",
    "gt.Scalar": "renorm",
    "index.Tensor": "__getitem__",
    "isnan": "fmax",
    "le.Scalar": "xlogy",
    "lerp_.Tensor": "quantile",
    "linalg_vector_norm": "linalg.vector_norm",
    "lt.Scalar": "nn.functional.gaussian_nll_loss",
    "masked_fill_.Scalar": "maximum",
    "max": "max.reduction_no_dim",
    "max.dim": "max.reduction_with_dim",
    "max_pool2d_with_indices": "nn.functional.max_pool2d",
    "min": "min.reduction_no_dim",
    "min.dim": "min.reduction_with_dim",
    "native_batch_norm_backward": "native_batch_norm",
    "native_group_norm": "nn.functional.group_norm",
    "native_group_norm_backward": "nn.functional.group_norm",
    "native_layer_norm_backward": "native_layer_norm",
    "ne.Scalar": "isclose",
    "nll_loss2d_backward": "nn.functional.cross_entropy",
    "nll_loss2d_forward": "nn.functional.cross_entropy",
    "nll_loss_backward": "nn.functional.nll_loss",
    "nll_loss_forward": "nn.functional.nll_loss",
    "normal_": "normal.in_place",
    "pow.Scalar": "ldexp",
    "pow.Tensor_Scalar": "square",
    "pow_.Scalar": "norm",
    "reflection_pad1d": "nn.functional.pad.reflect",
    "reflection_pad2d": "nn.functional.pad.reflect",
    "remainder.Scalar": "take_along_dim",
    "replication_pad1d": "nn.functional.pad.replicate",
    "replication_pad3d": "nn.functional.pad.replicate",
    "relu_": "masked.cumprod",
    "rrelu_with_noise_backward": "nn.functional.rrelu",
    "select_backward": "select",
    "sigmoid_backward": "sigmoid",
    "silu_backward": "nn.functional.silu",
    "slice_backward": "diff",
    "special_i0e": "special.i0e",
    "special_i0e.out": "special.i0e",
    "special_i1": "special.i1",
    "sub_.Tensor": "ormqr",
    "sum.dim_IntList": "sum",
    "tanh_backward": "tanh",
    "threshold_backward": "nn.functional.relu",
    "unfold_backward": "unfold",
    "upsample_bicubic2d": "nn.functional.interpolate.bicubic",
    "upsample_linear1d": "nn.functional.interpolate.linear",
    "upsample_nearest1d": "nn.functional.interpolate.nearest",
    "upsample_nearest2d": "nn.functional.interpolate.nearest",
    "upsample_nearest3d": "nn.functional.upsample_nearest",
    "where.self": "where",
    "zeros": "matrix_exp",
}


def _call(*args: Any, **kwargs: Any) -> list[Call]:
    return [(args, kwargs)]


class Maker:
    """Tensors of one dtype, the same ones at each run."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._generator = torch.Generator().manual_seed(7)

    def __call__(self, *shape: int, low: float = -3, high: float = 3) -> torch.Tensor:
        """Values between `low` and `high`; integers and bools take whole ones."""
        values = torch.rand(shape, generator=self._generator, dtype=torch.float64) * (high - low) + low
        if self.dtype == torch.bool:
            return values > (high + low) / 2
        return values.to(self.dtype)

    def distinct(self, *shape: int) -> torch.Tensor:
        """Whole numbers from 0 on, each once, in some order."""
        count = torch.Size(shape).numel()
        return torch.randperm(count, generator=self._generator).reshape(shape).to(self.dtype)

    def index(self, *shape: int, below: int) -> torch.Tensor:
        return torch.randint(0, below, shape, generator=self._generator)

    def mask(self, *shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=self._generator) > 0.5


FLOATS = (torch.float32, torch.float16, torch.bfloat16)
INTEGERS = (torch.int32, torch.int64, torch.int16)
BOTH = (*FLOATS, *INTEGERS)
BITS = (*INTEGERS, torch.bool)
F32 = (torch.float32,)

Make = Callable[[Maker], list[Call]]
_SHAPE = (5, 37)


def _unary(t: Maker) -> list[Call]:
    return _call(t(*_SHAPE)) + _call(t(2, 3, 65).transpose(0, 2))


def _binary(t: Maker) -> list[Call]:
    return _call(t(*_SHAPE), t(*_SHAPE, low=1, high=4)) + _call(t(4, 1, 33), t(3, 33, low=1, high=4))


def _binary_in_place(t: Maker) -> list[Call]:
    return _call(t(*_SHAPE), t(37, low=1, high=4))


def _scalar(value: Any, **extra: Any) -> Make:
    return lambda t: _call(t(*_SHAPE), value, **extra)


def _out(make: Make) -> Make:
    """The same calls with `out=`, a tensor of the operand's shape and dtype."""
    return lambda t: [(args, {**kwargs, "out": torch.empty_like(args[0])}) for args, kwargs in make(t)]


def _bool_out(make: Make) -> Make:
    return lambda t: [
        (args, {**kwargs, "out": torch.empty(args[0].shape, dtype=torch.bool)}) for args, kwargs in make(t)
    ]


def _convolution(dims: int, **extra: Any) -> Make:
    def make(t: Maker) -> list[Call]:
        x = t(2, 4, *([9] * dims), low=-1, high=1)
        w = t(6, 4, *([3] * dims), low=-1, high=1)
        return _call(x, w, t(6, low=-1, high=1), **extra)

    return make


#: Overload -> its dtypes and the calls to make.
MADE: dict[str, tuple[tuple[torch.dtype, ...], Make]] = {
    **{name: (BITS, _binary) for name in ("__or__.Tensor",)},
    "__ior__.Tensor": (BITS, _binary_in_place),
    "__or__.Scalar": (INTEGERS, _scalar(5)),
    "__ior__.Scalar": (INTEGERS, _scalar(5)),
    "bitwise_and.Scalar": (INTEGERS, _scalar(6)),
    "bitwise_and.Scalar_Tensor": (INTEGERS, lambda t: _call(6, t(*_SHAPE))),
    "bitwise_and_.Scalar": (INTEGERS, _scalar(6)),
    "bitwise_or.Scalar": (INTEGERS, _scalar(6)),
    "bitwise_or.Scalar_Tensor": (INTEGERS, lambda t: _call(6, t(*_SHAPE))),
    "bitwise_or_.Scalar": (INTEGERS, _scalar(6)),
    "_is_all_true": ((torch.bool,), lambda t: _call(t(*_SHAPE)) + _call(torch.ones(5, dtype=torch.bool))),
    "_assert_async": ((torch.bool, torch.int64), lambda t: _call(torch.ones((), dtype=t.dtype))),
    "_functional_sym_constrain_range_for_size": (F32, lambda t: _call(4, 2, 9, t(3))),
    "_conv_depthwise2d": (
        FLOATS,
        lambda t: _call(t(2, 4, 9, 9), t(4, 1, 3, 3), [3, 3], t(4), [1, 1], [1, 1], [1, 1]),
    ),
    "_index_put_impl_": (
        FLOATS,
        # Only sums name a place twice: which of two values stays there depends on the order of programs.
        lambda t: (
            _call(t(8, 5), [torch.tensor([3, 1, 6, 0, 7, 4])], t(6, 5), False)
            + _call(t(8, 5), [t.index(6, below=8)], t(6, 5), True)
        ),
    ),
    "_upsample_bicubic2d_aa": (F32, lambda t: _call(t(2, 3, 12, 10), [7, 5], False)),
    "_upsample_bicubic2d_aa_backward": (F32, lambda t: _call(t(2, 3, 7, 5), [7, 5], [2, 3, 12, 10], False)),
    "_weight_norm_interface": (F32, lambda t: _call(t(6, 33), t(6, 1)) + _call(t(6, 33), t(1, 33), 1)),
    "_weight_norm_interface_backward": (
        F32,
        lambda t: _call(t(6, 33), t(6, 33), t(6, 1), t(6, 1, low=1, high=9), 0),
    ),
    "_grouped_mm": (
        (torch.bfloat16,),
        lambda t: _call(t(32, 64), t(2, 64, 48), offs=torch.tensor([16, 32], dtype=torch.int32)),
    ),
    "_flash_attention_forward": (
        (torch.float16, torch.bfloat16),
        lambda t: _call(t(2, 33, 4, 64), t(2, 33, 4, 64), t(2, 33, 4, 64), None, None, 33, 33, 0.0, True, False),
    ),
    "absolute": (BOTH, _unary),
    "arcsinh": (FLOATS, _unary),
    "arcsinh_": (FLOATS, lambda t: _call(t(*_SHAPE))),
    "arcsinh.out": (FLOATS, _out(_unary)),
    "arctanh_": (FLOATS, lambda t: _call(t(*_SHAPE, low=-0.9, high=0.9))),
    "celu_": (FLOATS, _unary),
    "clip": (BOTH, _scalar(-1, max=2)),
    "clip_": (BOTH, _scalar(-1, max=2)),
    "conj_physical": ((*FLOATS, torch.complex64), _unary),
    "conv1d": (FLOATS, _convolution(1, stride=[2], padding=[1])),
    "conv1d.padding": (FLOATS, _convolution(1, padding="valid")),
    "conv2d": (FLOATS, _convolution(2, padding=[1, 1])),
    "conv2d.padding": (FLOATS, _convolution(2, padding="valid")),
    "conv3d": (FLOATS, _convolution(3, padding=[1, 1, 1])),
    "conv3d.padding": (FLOATS, _convolution(3, padding="valid")),
    "diag": (BOTH, lambda t: _call(t(9)) + _call(t(7, 9), 1)),
    "div.Scalar_mode": (BOTH, _scalar(2, rounding_mode="floor")),
    "div_.Scalar_mode": (BOTH, _scalar(2, rounding_mode="trunc")),
    "divide.Scalar": (BOTH, _scalar(2)),
    "divide.Scalar_mode": (BOTH, _scalar(2, rounding_mode="trunc")),
    "divide.Tensor": (BOTH, _binary),
    "divide.Tensor_mode": (BOTH, lambda t: [(a, {"rounding_mode": "floor"}) for a, _ in _binary(t)]),
    "divide_.Scalar": (FLOATS, _scalar(2)),
    "divide_.Scalar_mode": (BOTH, _scalar(2, rounding_mode="floor")),
    "divide_.Tensor": (FLOATS, _binary_in_place),
    "divide_.Tensor_mode": (BOTH, lambda t: [(a, {"rounding_mode": "trunc"}) for a, _ in _binary_in_place(t)]),
    "true_divide.Scalar": (BOTH, _scalar(2)),
    "true_divide.Tensor": (BOTH, _binary),
    "true_divide_.Scalar": (FLOATS, _scalar(2)),
    "true_divide_.Tensor": (FLOATS, _binary_in_place),
    "elu_": (FLOATS, _unary),
    "fill.Scalar_out": (BOTH, _out(_scalar(3))),
    "fill.Tensor": (BOTH, lambda t: _call(t(*_SHAPE), torch.tensor(2))),
    "fill.Tensor_out": (BOTH, _out(lambda t: _call(t(*_SHAPE), torch.tensor(2)))),
    "fill_.Tensor": (BOTH, lambda t: _call(t(*_SHAPE), torch.tensor(2))),
    "floor_divide.Scalar": (BOTH, _scalar(2)),
    "floor_divide_.Scalar": (BOTH, _scalar(2)),
    "gelu_": (FLOATS, _unary),
    "greater.Scalar": (BOTH, _scalar(0)),
    "greater.Scalar_out": (BOTH, _bool_out(_scalar(0))),
    "greater.Tensor": (BOTH, _binary),
    "hardsigmoid.out": (FLOATS, _out(lambda t: _call(t(*_SHAPE)))),
    "hardswish_": (FLOATS, _unary),
    "hstack": (BOTH, lambda t: _call([t(3, 4), t(3, 5)])),
    "vstack": (BOTH, lambda t: _call([t(3, 4), t(5, 4)])),
    "isclose": (BOTH, _binary),
    "isfinite": (BOTH, _unary),
    "isin.Scalar_Tensor": (INTEGERS, lambda t: _call(2, t(9))),
    "isin.Tensor_Scalar": (INTEGERS, lambda t: _call(t(9), 2)),
    "kron": (
        BOTH,
        lambda t: _call(t(3, 4), t(2, 5)) + _call(t(2, 3, 3, 4), t(2, 2, 5)) + _call(t(2, 3), t(4, 1, 2, 5)),
    ),
    "lerp_.Scalar": (FLOATS, lambda t: _call(t(*_SHAPE), t(*_SHAPE), 0.3)),
    "lift_fresh_copy": (BOTH, lambda t: _call(t(*_SHAPE))),
    "log_sigmoid": (FLOATS, _unary),
    "logaddexp.out": (FLOATS, _out(lambda t: _call(t(*_SHAPE), t(*_SHAPE)))),
    "margin_ranking_loss": (FLOATS, lambda t: _call(t(17), t(17), torch.sign(t(17)), 0.1)),
    "native_dropout": (FLOATS, lambda t: _call(t(64, 64), 0.4, True)),
    "normal.float_Tensor": (F32, lambda t: _call(0.0, t(64, 64, low=1, high=2))),
    "one_hot": ((torch.int64,), lambda t: _call(t.index(11, below=7), 7)),
    "pad": (BOTH, lambda t: _call(t(3, 4, 5), [1, 2, 0, 3], "constant", 1.0)),
    "pixel_unshuffle.out": (BOTH, lambda t: _call(t(2, 3, 8, 6), 2, out=t(2, 12, 4, 3))),
    "prelu": (FLOATS, lambda t: _call(t(2, 5, 7), t(5))),
    "quantile": (F32, lambda t: _call(t(7, 33), torch.tensor([0.25, 0.5]), 1)),
    "rand_like": (FLOATS, lambda t: _call(t(64, 64))),
    "randperm": ((torch.int64,), lambda t: _call(1000, device=torch.device("cpu"))),
    "reflection_pad1d.out": (FLOATS, lambda t: _call(t(2, 3, 9), [2, 1], out=t(2, 3, 12))),
    "reflection_pad2d.out": (FLOATS, lambda t: _call(t(2, 3, 9, 8), [2, 1, 1, 2], out=t(2, 3, 12, 11))),
    "replication_pad1d.out": (FLOATS, lambda t: _call(t(2, 3, 9), [2, 1], out=t(2, 3, 12))),
    "relu6": (FLOATS, lambda t: _call(t(*_SHAPE, low=-9, high=9))),
    "remainder.Scalar_Tensor": (BOTH, lambda t: _call(7, t(*_SHAPE, low=1, high=5))),
    "remainder_.Scalar": (BOTH, _scalar(2)),
    "repeat_interleave.self_int": (BOTH, lambda t: _call(t(4, 5), 3, 1) + _call(t(4, 5), 2)),
    "repeat_interleave.self_Tensor": (BOTH, lambda t: _call(t(4, 5), torch.tensor([1, 0, 2, 3]), 0)),
    "resolve_conj": (BOTH, _unary),
    "resolve_neg": (BOTH, _unary),
    "rms_norm": (FLOATS, lambda t: _call(t(6, 65), [65], t(65), 1e-5)),
    "selu": (FLOATS, _unary),
    "selu_": (FLOATS, _unary),
    "silu_": (FLOATS, _unary),
    "softshrink.out": (FLOATS, _out(_scalar(0.5))),
    "square": (BOTH, _unary),
    "square_": (BOTH, _unary),
    "square.out": (BOTH, _out(_unary)),
    "sum.IntList_out": (FLOATS, lambda t: _call(t(6, 33), [1], out=t(6))),
    "sum.out": (FLOATS, lambda t: _call(t(6, 33), out=t(1)[0])),
    "tile": (BOTH, lambda t: _call(t(3, 4), [2, 3])),
    "var": (FLOATS, lambda t: _call(t(6, 33))),
    "var.dim": (FLOATS, lambda t: _call(t(6, 33), [1])),
    "zero": (BOTH, _unary),
    "zero.out": (BOTH, _out(_unary)),
    # Without equal elements, whose order is free.
    "sort": (BOTH, lambda t: _call(t.distinct(5, 37), 1) + _call(t.distinct(200), 0, True)),
    # Small whole numbers: FlagGems raises integers to powers in float32, and multiplies them by fractions.
    "addmv": (BOTH, lambda t: _call(t(5), t(5, 10), t(10)) + _call(t(5), t(5, 10), t(10), beta=2, alpha=3)),
    "addmv.out": (BOTH, _out(lambda t: _call(t(5), t(5, 10), t(10), beta=2, alpha=3))),
    "pow.Tensor_Tensor": (BOTH, lambda t: _call(t(*_SHAPE, low=1), t(*_SHAPE, low=0))),
    "pow_.Tensor": (BOTH, lambda t: _call(t(*_SHAPE, low=1), t(*_SHAPE, low=0))),
    "equal": (
        BOTH,
        lambda t: _call(t(*_SHAPE), t(*_SHAPE)) + _call(torch.ones(40).to(t.dtype), torch.ones(40).to(t.dtype)),
    ),
    "linspace": (FLOATS, lambda t: _call(-2.0, 3.0, 50, dtype=t.dtype, device=torch.device("cpu"))),
    "logspace": (FLOATS, lambda t: _call(-2.0, 1.0, 50, dtype=t.dtype, device=torch.device("cpu"))),
    "masked_fill.Tensor": (BOTH, lambda t: _call(t(*_SHAPE), t.mask(37), torch.tensor(2).to(t.dtype))),
    "embedding_dense_backward": (FLOATS, lambda t: _call(t(6, 5), t.index(6, below=9), 9, -1, False)),
    "native_batch_norm": (FLOATS, lambda t: _call(t(3, 4, 9), t(4), t(4), t(4), t(4, low=1), True, 0.1, 1e-5)),
    "native_dropout_backward": (FLOATS, lambda t: _call(t(*_SHAPE), t.mask(*_SHAPE), 1.6)),
    "native_group_norm": (FLOATS, lambda t: _call(t(2, 8, 9), t(8), t(8), 2, 8, 9, 2, 1e-5)),
    "native_group_norm_backward": (
        F32,
        lambda t: _call(t(2, 8, 9), t(2, 8, 9), t(2, 2), t(2, 2, low=1), t(8), 2, 8, 9, 2, [True, True, True]),
    ),
    "nll_loss2d_backward": (
        F32,
        lambda t: _call(t(1)[0], t(2, 4, 3, 5), t.index(2, 3, 5, below=4), None, 1, -100, torch.tensor(30.0)),
    ),
    # Base functions of the database that do not lead to the overload by themselves.
    "abs": (BOTH, _unary),
    "arange": (BOTH, lambda t: _call(37, dtype=t.dtype, device=torch.device("cpu"))),
    "clamp": (BOTH, _scalar(-1, max=2)),
    "mean": (FLOATS, lambda t: _call(t(6, 33))),
    "mul.Tensor": (BOTH, _binary),
    "add.Tensor": (BOTH, _binary),
    "sub.Tensor": (BOTH, _binary),
    "sub_.Tensor": (BOTH, _binary_in_place),
    "neg": (BOTH, _unary),
    "exp": (FLOATS, _unary),
    "mm": (FLOATS, lambda t: _call(t(33, 65, low=-1, high=1), t(65, 40, low=-1, high=1))),
    "bmm": (FLOATS, lambda t: _call(t(3, 33, 65, low=-1, high=1), t(3, 65, 40, low=-1, high=1))),
    "ones_like": (BOTH, _unary),
    "rand": (FLOATS, lambda t: _call([64, 64], dtype=t.dtype, device=torch.device("cpu"))),
    "div.Tensor": (BOTH, _binary),
    "div.Scalar": (BOTH, _scalar(2)),
    "div_.Scalar": (FLOATS, _scalar(2)),
    "eq.Scalar": (BOTH, _scalar(1)),
    "ge.Scalar": (BOTH, _scalar(1)),
    "gt.Scalar": (BOTH, _scalar(1)),
    "le.Scalar": (BOTH, _scalar(1)),
    "lt.Scalar": (BOTH, _scalar(1)),
    "ne.Scalar": (BOTH, _scalar(1)),
    "clamp_": (BOTH, _scalar(-1, max=2)),
    "clamp_min": (BOTH, _scalar(0)),
    "clamp_min_": (BOTH, _scalar(0)),
    "fill_.Scalar": (BOTH, _scalar(2)),
    "isnan": (BOTH, _unary),
    "lerp_.Tensor": (FLOATS, lambda t: _call(t(*_SHAPE), t(*_SHAPE), t(*_SHAPE))),
    "masked_fill_.Scalar": (BOTH, lambda t: _call(t(*_SHAPE), t.mask(*_SHAPE), 2)),
    "pow.Scalar": (FLOATS, lambda t: _call(2, t(*_SHAPE))),
    "pow.Tensor_Scalar": (BOTH, _scalar(2)),
    "pow_.Scalar": (BOTH, _scalar(2)),
    "relu_": (BOTH, _unary),
    "remainder.Scalar": (BOTH, _scalar(2)),
    "slice_backward": (FLOATS, lambda t: _call(t(4, 3), [4, 9], 1, 2, 8, 2)),
    "zeros": (BOTH, lambda t: _call([5, 37], dtype=t.dtype, device=torch.device("cpu"))),
    "bernoulli_.float": (FLOATS, lambda t: _call(t(64, 64), 0.3)),
    "gather": (BOTH, lambda t: _call(t(5, 37), 1, t.index(5, 9, below=37))),
}
