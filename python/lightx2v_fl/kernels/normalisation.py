"""RMS and layer normalisation over the last dimension: computed in fp32, rounded once to the dtype asked for.

rms:   y = x / sqrt(mean(x^2) + eps) * weight              (Zhang and Sennrich, "Root mean square layer normalization",
2019) layer: y = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias        (Ba, Kiros and Hinton, "Layer normalization",
2016)
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lightx2v_fl.kernels.supply import Operator, Supplier, native_refuses

FLOATING = (torch.float32, torch.bfloat16, torch.float16)


def _refuses(x: Tensor, *_: object) -> str | None:
    absent = native_refuses(x)
    if absent is not None:
        return absent
    return None if x.dtype in FLOATING else f"x is {x.dtype}"


def _fp32(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.float()


def _rms_torch(x: Tensor, weight: Tensor | None, eps: float, dtype: torch.dtype) -> Tensor:
    return F.rms_norm(x.float(), (x.shape[-1],), _fp32(weight), eps).to(dtype)


def _layer_torch(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, dtype: torch.dtype) -> Tensor:
    return F.layer_norm(x.float(), (x.shape[-1],), _fp32(weight), _fp32(bias), eps).to(dtype)


def _rms_native(x: Tensor, weight: Tensor | None, eps: float, dtype: torch.dtype) -> Tensor:
    return torch.ops.flagos.rms_norm(x, weight, eps, dtype)


def _layer_native(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, dtype: torch.dtype) -> Tensor:
    return torch.ops.flagos.layer_norm(x, weight, bias, eps, dtype)


#: rms_norm(x, weight or None, eps, dtype of the result) -> a fresh tensor of x's shape
rms_norm = Operator(
    "flagos_rms_norm",
    Supplier("native", _rms_native, _refuses, "one pass in fp32 by the host's own kernel"),
    Supplier("torch", _rms_torch, lambda *_: None, "torch.nn.functional.rms_norm in fp32"),
)
#: layer_norm(x, weight or None, bias or None, eps, dtype of the result) -> a fresh tensor of x's shape
layer_norm = Operator(
    "flagos_layer_norm",
    Supplier("native", _layer_native, _refuses, "one pass in fp32 by the host's own kernel"),
    Supplier("torch", _layer_torch, lambda *_: None, "torch.nn.functional.layer_norm in fp32"),
)
