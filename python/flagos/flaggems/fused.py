"""Fused functions that FlagGems takes from its vendor, because its own have block sizes for named GPUs alone.

They launch FlagGems' kernels. A row goes when FlagGems has blocks for any device.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any

import torch

#: Heads of queries and tokens of a block: a block's scores and sums fit the second-level cache.
_LATENT_BLOCKS = {"BLOCK_H": 64, "BLOCK_N": 64}


def flash_mla(
    q: torch.Tensor,
    block_table: torch.Tensor,
    blocked_k: torch.Tensor,
    max_seqlen_pad: int,
    block_size: int,
    b: int,
    s_q: int,
    cache_seqlens: torch.Tensor,
    h_q: int,
    h_kv: int,
    d: int,
    dv: int,
    causal: bool,
) -> torch.Tensor:
    """Attention of one query a sequence over latent keys in pages, whose first `dv` of `d` elements are the values.

    q: [b, 1, h_q, d]; blocked_k: pages of [block_size, 1, d]; block_table: [b, pages of a sequence], int32;
    cache_seqlens: [b], int32. Returns [b, 1, h_q, dv], the sequence's whole cache being seen.
    """
    if not causal or s_q != 1 or h_kv != 1 or d <= dv:
        raise NotImplementedError(
            "FlagGems' kernel takes one query a sequence, one head of keys, causal, with more elements than values have"
        )
    rows, keys = q.reshape(b, h_q, d).contiguous(), blocked_k.reshape(-1, d).contiguous()
    table, out = block_table.contiguous(), torch.empty(b, h_q, dv, dtype=q.dtype, device=q.device)
    kernel = importlib.import_module("flag_gems.fused.flash_mla").flash_mla_attn_kernel
    kernel[(-(-h_q // _LATENT_BLOCKS["BLOCK_H"]), b)](
        rows,
        keys,
        table,
        cache_seqlens.contiguous(),
        out,
        1 / math.sqrt(d),
        h_q,
        *rows.stride()[:2],
        keys.stride(0),
        table.stride(0),
        *out.stride(),
        PAGE_SIZE=block_size,
        HEAD_DIM_V=dv,
        HEAD_DIM=d,
        **_LATENT_BLOCKS,
    )
    return out.view(b, s_q, h_q, dv)


FUNCTIONS: dict[str, Callable[..., Any]] = {"flash_mla": flash_mla}
