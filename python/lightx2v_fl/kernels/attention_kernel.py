"""Scaled dot-product attention over packed sequences: softmax(q k^T * scale + mask) v, a head and segment at a time.

Segments are rows [cu_q[i], cu_q[i+1]) of q against rows [cu_kv[i], cu_kv[i+1]) of k and v. Without cu_* there are
`batch` segments of equal length. Grouped heads: query head h reads key head h // (Hq / Hkv). `causal` lets the last
query of a segment see its last key, so with unequal lengths the mask is aligned at the end (as FlashAttention has it).
A row that sees no key is 0 and its logsumexp -inf. Method: Dao et al., "FlashAttention", 2022.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from lightx2v_fl.kernels.supply import Operator, Supplier, native_refuses

FLOATING = (torch.float32, torch.bfloat16, torch.float16)


class Call(NamedTuple):
    """What is asked besides q [Tq, Hq, D], k [Tk, Hkv, D] and v [Tk, Hkv, D]."""

    batch: int = 1
    cu_q: Tensor | None = None
    cu_kv: Tensor | None = None
    mask: Tensor | None = None  # bool (True: seen) or added to the scores; broadcasts to [batch, Hq, Lq, Lk]
    causal: bool = False
    scale: float | None = None  # None: 1 / sqrt(D)
    window: tuple[int, int] = (-1, -1)  # keys seen to the left and right of the diagonal; -1: all
    dropout: float = 0.0
    lse: bool = False  # also return the logsumexp of each row, fp32 [Tq, Hq]


def _refuses(q: Tensor, k: Tensor, v: Tensor, call: Call) -> str | None:
    absent = native_refuses(q)
    if absent is not None:
        return absent
    if call.window != (-1, -1):
        return "a window is not served"
    if call.dropout:
        return "dropout is not served"
    if call.mask is not None and (call.cu_q is not None and call.cu_q.numel() != 2):
        return "a mask over several packed segments is not served"
    if q.shape[-1] > 256:
        return f"a head size of {q.shape[-1]} is not served: the most is 256"
    return None if q.dtype in FLOATING else f"q is {q.dtype}"


def _native(q: Tensor, k: Tensor, v: Tensor, call: Call) -> tuple[Tensor, Tensor | None]:
    mask = call.mask
    if mask is not None:
        if mask.dtype == torch.bool:
            mask = torch.zeros_like(mask, dtype=torch.float32).masked_fill_(mask.logical_not(), -math.inf)
        batch, lq, lk = call.batch, q.shape[0] // call.batch, k.shape[0] // call.batch
        mask = mask.float().expand(batch, q.shape[1], lq, lk)
    out, lse = torch.ops.flagos.attention(
        q, k, v, call.cu_q, call.cu_kv, mask, call.batch, call.causal, call.scale, call.lse
    )
    return out, lse if call.lse else None


def _torch(q: Tensor, k: Tensor, v: Tensor, call: Call) -> tuple[Tensor, Tensor | None]:
    one_segment = call.cu_q is None or (_covers(call.cu_q, q) and _covers(call.cu_kv, k))
    batch = call.batch if call.cu_q is None else 1
    heads = [x.reshape(batch, x.shape[0] // batch, *x.shape[1:]).transpose(1, 2) for x in (q, k, v)]
    lq, lk = heads[0].shape[2], heads[1].shape[2]
    plain_causal = call.causal and lq == lk and call.mask is None and call.window == (-1, -1) and one_segment
    mask = None if plain_causal else _mask(q, k, call, lq, lk, one_segment)
    grouped = q.shape[1] != k.shape[1]
    if lq == 0 or lk == 0:
        out = torch.zeros_like(heads[0])
    else:
        out = F.scaled_dot_product_attention(
            *heads,
            attn_mask=mask,
            dropout_p=call.dropout,
            is_causal=plain_causal,
            scale=call.scale,
            enable_gqa=grouped,
        )
        if mask is not None and (not one_segment or call.causal or call.mask is not None):
            seen = mask if mask.dtype == torch.bool else mask > -math.inf
            out = torch.where(seen.any(dim=-1, keepdim=True), out, out.new_zeros(()))
    flat = out.transpose(1, 2).reshape(q.shape[0], q.shape[1], v.shape[-1])
    if not call.lse:
        return flat, None
    if grouped:
        heads[1] = heads[1].repeat_interleave(q.shape[1] // k.shape[1], dim=1)
    scale = 1 / math.sqrt(q.shape[-1]) if call.scale is None else call.scale
    scores = torch.matmul(heads[0].float(), heads[1].float().transpose(-1, -2)) * scale
    if plain_causal:
        scores = scores.masked_fill(_diagonal(lq, lk, -1, 0, q.device).logical_not(), -math.inf)
    elif mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    lse = torch.logsumexp(scores, dim=-1) if lk else scores.new_full(scores.shape[:-1], -math.inf)
    return flat, lse.transpose(1, 2).reshape(q.shape[0], q.shape[1])


def _covers(cu: Tensor | None, x: Tensor) -> bool:
    """Whether these are one segment of all rows; a look at a tensor of the device would wait for it, so: unknown."""
    return cu is not None and cu.numel() == 2 and cu.device.type == "cpu" and cu.tolist() == [0, x.shape[0]]


def _mask(q: Tensor, k: Tensor, call: Call, lq: int, lk: int, one_segment: bool) -> Tensor | None:
    """Everything that hides keys as one mask for [batch, heads, Lq, Lk], or None when nothing does."""
    left, right = call.window
    right = 0 if call.causal else right
    mask: Tensor | None = None
    if not one_segment:
        mask = _segments(call.cu_q, call.cu_kv, lq, lk, left, right, q.device)  # type: ignore[arg-type]
    elif (left, right) != (-1, -1):
        mask = _diagonal(lq, lk, left, right, q.device)
    if call.mask is None or mask is None:
        return mask if call.mask is None else (call.mask if call.mask.dtype == torch.bool else call.mask.to(q.dtype))
    if call.mask.dtype == torch.bool:
        return mask & call.mask
    return call.mask.to(q.dtype).masked_fill(~mask, -math.inf)


def _within(distance: Tensor, left: int, right: int) -> Tensor:
    """Which distances of a key from the diagonal are seen."""
    seen = torch.ones_like(distance, dtype=torch.bool)
    if left >= 0:
        seen &= distance >= -left
    if right >= 0:
        seen &= distance <= right
    return seen


def _diagonal(lq: int, lk: int, left: int, right: int, device: torch.device) -> Tensor:
    rows = torch.arange(lq, device=device).unsqueeze(1) + (lk - lq)
    return _within(torch.arange(lk, device=device).unsqueeze(0) - rows, left, right)


def _segments(cu_q: Tensor, cu_kv: Tensor, lq: int, lk: int, left: int, right: int, device: torch.device) -> Tensor:
    """[Lq, Lk]: both in one segment and within the window there. No value is looked at on the host."""
    cu_q, cu_kv = cu_q.to(device).long(), cu_kv.to(device).long()
    rows, columns = torch.arange(lq, device=device), torch.arange(lk, device=device)
    of_row = torch.searchsorted(cu_q, rows, right=True) - 1
    of_column = torch.searchsorted(cu_kv, columns, right=True) - 1
    last = cu_q.numel() - 1
    seen = (of_row.unsqueeze(1) == of_column.unsqueeze(0)) & (of_row < last).unsqueeze(1)
    if (left, right) != (-1, -1):
        end_q, end_kv = cu_q[(of_row + 1).clamp(max=last)], cu_kv[(of_column + 1).clamp(max=last)]
        # Counted from the ends of both, since that is where the mask is aligned.
        distance = (end_q - rows).unsqueeze(1) - (end_kv - columns).unsqueeze(0)
        seen = seen & _within(distance, left, right)
    return seen


#: attend(q, k, v, Call) -> (out [Tq, Hq, D] in q's dtype, fresh; logsumexp or None)
attend = Operator(
    "flagos_flash_attn",
    Supplier("native", _native, _refuses, "the host's own flash kernel"),
    Supplier("torch", _torch, lambda *_: None, "torch.nn.functional.scaled_dot_product_attention"),
)
