"""Products of activations with 8-bit weights: the activations are quantised too, a scale a row (token), at each call.

    sx[m] = max|x[m, :]| / qmax     (127 for int8, 448 for fp8 e4m3; 1 for a row of zeros, NaN for one that is not finite)
    xq    = x / sx, rounded to nearest even and held within +-qmax
    y     = (xq @ wq^T) * sx * sw + bias, the sum in int32 or fp32, rounded once to x's dtype

wq is the weight as stored, [out, in]; it is neither copied nor converted to a wider type as a whole (int8).
"""

from __future__ import annotations

import torch
from torch import Tensor

from lightx2v_fl.kernels.supply import Absent, Operator, Supplier, native_refuses

FLOATING = (torch.float32, torch.bfloat16, torch.float16)
_MOST_INPUTS = 65536  # that the own kernel sums in 32 bits
QMAX = {torch.int8: 127.0, torch.float8_e4m3fn: 448.0}


def quantise_rows(x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """x [rows, width] as (xq of `dtype`, scale fp32 [rows, 1]) by the formula above."""
    wide = x.float()
    peak = wide.abs().amax(dim=-1, keepdim=True) if x.shape[-1] else wide.new_zeros((x.shape[0], 1))
    scale = torch.where(peak == 0, torch.ones_like(peak), peak / QMAX[dtype])
    quotient = (wide / scale).clamp_(-QMAX[dtype], QMAX[dtype])
    return (quotient.round_() if dtype == torch.int8 else quotient).to(dtype), scale


def _finish(total: Tensor, sx: Tensor, sw: Tensor, bias: Tensor | None, dtype: torch.dtype) -> Tensor:
    y = total.float().mul_(sx).mul_(sw)
    if bias is not None:
        y.add_(bias)
    return y.to(dtype)


def _int8_torch(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    xq, sx = quantise_rows(x, torch.int8)
    # torch 2.13's _int_mm gives garbage on the CPU for a single input; so short a sum is exact in fp32.
    total = torch._int_mm(xq, weight.t()) if x.shape[1] > 1 else xq.float() * weight.t().float()
    return _finish(total, sx, scale, bias, x.dtype)


def _int8_native(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.flagos.int8_linear(x, weight, scale, bias)


def _int8_refuses(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None) -> str | None:
    absent = native_refuses(x)
    if absent is not None:
        return absent
    reason = torch.ops.flagos.int8_linear_absent()
    if reason:
        return Absent(reason)
    return None if weight.shape[1] <= _MOST_INPUTS else f"{weight.shape[1]} inputs are more than {_MOST_INPUTS}"


def _fp8_torch(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    xq, sx = quantise_rows(x, torch.float8_e4m3fn)
    # Each e4m3 value is exact in bfloat16 and float16; their products are summed in fp32. The sum is rounded to the
    # 16-bit dtype once more than by the formula, 2^-9 of it against 2^-4 of each fp8 value.
    wide = torch.bfloat16 if x.dtype == torch.bfloat16 else torch.float32
    return _finish(torch.mm(xq.to(wide), weight.to(wide).t()), sx, scale, bias, x.dtype)


#: int8_linear(x [rows, in], weight int8 [out, in], scale fp32 [out], bias fp32 [out] or None) -> [rows, out] in x's
#: dtype
int8_linear = Operator(
    "flagos-int8",
    Supplier("native", _int8_native, _int8_refuses, "the host's own int8 kernel on the weights as stored"),
    Supplier("torch", _int8_torch, lambda *_: None, "torch._int_mm"),
)
#: fp8_linear(...): the same with weight float8_e4m3fn
fp8_linear = Operator(
    "flagos-fp8",
    Supplier("torch", _fp8_torch, lambda *_: None, "the routed matrix product on widened values, summed in fp32"),
)
