"""Rotary position embedding of one tensor: pairs of channels turned by an angle a row.

Pairs are neighbours (layout "interleaved": 0 and 1, 2 and 3, ...) or halves ("split_half": 0 and d/2, ...). With cosine
c and sine s of a pair's angle (Su et al., "RoFormer", 2021):
    first' = first * c - second * s, second' = second * c + first * s
A full-width table gives each channel a cosine and sine of its own; then first' uses those of the first channel and
second' those of the second.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lightx2v_fl.kernels.supply import Operator, Supplier, native_refuses

FLOATING = (torch.float32, torch.bfloat16, torch.float16)


def _refuses(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool, compute: torch.dtype) -> str | None:
    absent = native_refuses(x)
    if absent is not None:
        return absent
    if compute != torch.float32 or cos.dtype != torch.float32 or sin.dtype != torch.float32:
        return f"it computes in float32, not in {compute} with tables of {cos.dtype}"
    if x.dtype not in FLOATING:
        return f"x is {x.dtype}"
    return None if x.dim() <= 4 else f"x has {x.dim()} dimensions, more than 4"


def _native(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool, compute: torch.dtype) -> Tensor:
    return torch.ops.flagos.rotary_embedding(x, cos, sin, interleaved)


def _torch(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool, compute: torch.dtype) -> Tensor:
    wide, cos, sin = x.to(compute), cos.to(compute), sin.to(compute)
    first, second = _pairs(wide, interleaved)
    if cos.shape[-1] == x.shape[-1]:
        (cos_first, cos_second), (sin_first, sin_second) = _pairs(cos, interleaved), _pairs(sin, interleaved)
    else:
        cos_first = cos_second = cos
        sin_first = sin_second = sin
    turned = (first * cos_first - second * sin_first, second * cos_second + first * sin_second)
    joined = torch.stack(turned, dim=-1).flatten(-2) if interleaved else torch.cat(turned, dim=-1)
    return joined.to(x.dtype)


def _pairs(x: Tensor, interleaved: bool) -> tuple[Tensor, Tensor]:
    if interleaved:
        return x[..., 0::2], x[..., 1::2]
    first, second = x.chunk(2, dim=-1)
    return first, second


#: rotate(x, cos, sin, interleaved, dtype to compute in) -> a fresh tensor like x. cos and sin broadcast to x but for
#: the last dimension, which has x's width (a value a channel) or half of it (a value a pair).
rotate = Operator(
    "flagos_rope",
    Supplier("native", _native, _refuses, "one pass in fp32 by the host's own kernel"),
    Supplier("torch", _torch, lambda *_: None, "plain operators"),
)
