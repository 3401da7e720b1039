"""scaled_dot_product_attention on FlagGems' attention, under the operator that PyTorch calls for it on this device.

FlagGems registers no attention that PyTorch would call here; its function of that name is for callers. PyTorch sends an
attention that a fused kernel takes (src/aten/attention.cc) to `_scaled_dot_product_flash_attention_for_cpu`, which
differs from FlagGems' function in the unit of the log of the sum (natural here, base 2 there) and in what 5.0.2 gets
wrong or leaves out: that is mended here, or handed on.
"""

from __future__ import annotations

import importlib
import math
from typing import Any

import torch
import torch.nn.functional as F

from flagos.flaggems import tuning

#: What a masked score becomes. Minus infinity, in all of a block, would make NaN of the row.
_MASKED = -1.0e6
#: Heads that FlagGems' kernels are written for, in elements: forward, and backward too.
_HEADS = (16, 32, 64, 128, 256)


def _functions() -> Any:
    return importlib.import_module("flag_gems.ops.attention")


def _check(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, dropout: float) -> None:
    if not 0 < query.shape[-1] <= _HEADS[-1] or value.shape[-1] != query.shape[-1]:
        raise NotImplementedError(f"heads of {query.shape[-1]} and {value.shape[-1]} elements")
    if query.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        raise NotImplementedError(f"{query.dtype}")
    if dropout:
        raise NotImplementedError("dropout")


def _padded(*tensors: torch.Tensor) -> list[torch.Tensor]:
    """The tensors with zeros behind their heads up to the next size that a kernel takes, as FlagGems does it for its
    flash attention: zeros add nothing to a score, and results of their own, which are zero, are cut off."""
    head = tensors[0].shape[-1]
    room = next(size for size in _HEADS if size >= head) - head
    return [F.pad(tensor, (0, room)) for tensor in tensors] if room else list(tensors)


def _forward(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    attn_mask: torch.Tensor | None = None,
    scale: float | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tensors of [batch, heads, length, head]; the output, and the log of the sum, [batch, heads, length]."""
    _check(query, key, value, dropout_p)
    if attn_mask is not None:
        # A row without any score left is zero by PyTorch's rule, and an even mix by FlagGems'.
        if bool((attn_mask == -math.inf).all(-1).any()):
            raise NotImplementedError("a mask with a row that masks everything")
        # Scores are in base 2 there; FlagGems forgets it of the mask unless the call is causal.
        attn_mask = attn_mask.float() if is_causal else attn_mask.float() * math.log2(math.e)
        attn_mask = attn_mask.clamp(min=_MASKED).expand(*query.shape[:-1], key.shape[-2])
    if key.stride() != value.stride():  # one set of strides serves both
        key, value = key.contiguous(), value.contiguous()
    head = query.shape[-1]
    out, logs = _functions().scaled_dot_product_attention_forward(
        *_padded(query, key, value), attn_mask, 0.0, is_causal, _scale(scale, head), enable_gqa=True
    )
    out = out if out.shape[-1] == head else torch.empty_like(query).copy_(out[..., :head])
    return out, _by_length(logs * math.log(2))


def _scale(scale: float | None, head: int) -> float:
    return 1 / math.sqrt(head) if scale is None else scale


def _backward(
    grad_out: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    out: torch.Tensor,
    logsumexp: torch.Tensor,
    dropout_p: float,
    is_causal: bool,
    *,
    attn_mask: torch.Tensor | None = None,
    scale: float | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of query, key and value. FlagGems' kernel is that of a causal square without a mask, always."""
    _check(query, key, value, dropout_p)
    if not is_causal or attn_mask is not None or query.shape[-2] != key.shape[-2]:
        raise NotImplementedError("FlagGems differentiates causal attention over as many keys as queries alone")
    head = query.shape[-1]
    grad_out, *operands = _padded(grad_out, query, key, value, out)
    gradients = _functions().scaled_dot_product_attention_backward(
        _with_room(grad_out),
        *(tensor.contiguous() for tensor in operands),
        (logsumexp / math.log(2)).contiguous(),
        None,
        0.0,
        True,
        _scale(scale, head),
        enable_gqa=True,
    )
    return tuple(_by_length(gradient[..., :head]) for gradient in gradients)


def _by_length(x: torch.Tensor) -> torch.Tensor:
    """The same tensor laid out as [batch, length, heads, ...], as these results of PyTorch are."""
    return x.transpose(1, 2).contiguous().transpose(1, 2)


def _with_room(grad_out: torch.Tensor) -> torch.Tensor:
    """Contiguous, with zeros behind: FlagGems reads whole blocks of it, and multiplies what is beyond by zero."""
    size, room = grad_out.numel(), tuning.CONFIGURATIONS["attention_bwd"]["BLOCK_N1"] * grad_out.shape[-1]
    memory = torch.empty(size + room, dtype=grad_out.dtype, device=grad_out.device)
    memory[size:].zero_()
    return memory[:size].view(grad_out.shape).copy_(grad_out)


FUNCTIONS = {
    "_scaled_dot_product_flash_attention_for_cpu": _forward,
    "_scaled_dot_product_flash_attention_for_cpu_backward": _backward,
}
