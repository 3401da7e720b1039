"""`flagos_flash_attn`: attention as LightX2V calls it, over one sequence, a batch, or packed sequences of unlike
lengths.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from lightx2v_fl.errors import require, require_dtype, require_same_device
from lightx2v_fl.kernels.attention_kernel import FLOATING, Call, attend
from lightx2v_fl.ops.stateless import StatelessOperator

HEAD_SIZES = (1, 512)


class FlashAttention(StatelessOperator):
    """q [S, H, D] or [B, S, H, D], k and v alike with their own lengths and maybe fewer heads."""

    key = "flagos_flash_attn"

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def apply(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        cu_seqlens_q: Tensor | None = None,
        cu_seqlens_kv: Tensor | None = None,
        max_seqlen_q: int | None = None,
        max_seqlen_kv: int | None = None,
        *,
        causal: bool = False,
        softmax_scale: float | None = None,
        attn_mask: Tensor | None = None,
        window_size: tuple[int, int] | None = None,
        drop_rate: float = 0.0,
        dropout_p: float = 0.0,
        **_: Any,
    ) -> Tensor:
        """-> [all of q's rows, H * D], fresh, in q's dtype. cu_seqlens_*: int32 or int64 bounds of segments, on the
        host or on the device, both or none; without them each sequence of a batch attends to itself. Lengths are taken
        from the tensors and cu_seqlens_*; max_seqlen_* is not needed. See attention_kernel.Call for the rest. Keywords
        that other attention operators take are ignored."""
        call = Call(
            mask=attn_mask,
            causal=bool(causal),
            scale=softmax_scale,
            window=(-1, -1) if window_size is None else (int(window_size[0]), int(window_size[1])),
            dropout=float(drop_rate or dropout_p or 0.0),
        )
        out, _lse = self._attend(q, k, v, cu_seqlens_q, cu_seqlens_kv, call)
        return out.reshape(out.shape[0], -1)

    def apply_with_lse(
        self, q: Tensor, k: Tensor, v: Tensor, softmax_scale: float | None = None, **_: Any
    ) -> tuple[Tensor, Tensor]:
        """(out [rows, H, D], logsumexp of the scaled scores fp32 [rows, H]): what ring attention joins parts by."""
        out, lse = self._attend(q, k, v, None, None, Call(scale=softmax_scale, lse=True))
        assert lse is not None
        return out, lse

    def _attend(
        self, q: Tensor, k: Tensor, v: Tensor, cu_q: Tensor | None, cu_kv: Tensor | None, call: Call
    ) -> tuple[Tensor, Tensor | None]:
        self._require_shapes(q, k, v)
        batch = q.shape[0] if q.dim() == 4 else 1
        rows = [x.reshape(-1, *x.shape[-2:]) if x.dim() == 4 else x for x in (q, k, v)]
        if cu_q is None and cu_kv is None:
            return attend(*rows, call._replace(batch=batch))
        self._require_bounds("cu_seqlens_q", cu_q, rows[0])
        self._require_bounds("cu_seqlens_kv", cu_kv, rows[1])
        require(
            cu_q.shape == cu_kv.shape,  # type: ignore[union-attr]
            self.key,
            "cu_seqlens_q and cu_seqlens_kv",
            f"have {cu_q.numel()} and {cu_kv.numel()} bounds",  # type: ignore[union-attr]
            "as many segments of keys as of queries",
        )
        return attend(*rows, call._replace(cu_q=cu_q, cu_kv=cu_kv))

    def _require_shapes(self, q: Tensor, k: Tensor, v: Tensor) -> None:
        for name, x in (("q", q), ("k", k), ("v", v)):
            require(
                x.dim() == q.dim() and x.dim() in (3, 4),
                self.key,
                name,
                f"has shape {tuple(x.shape)}",
                "[rows, heads, head size] or [batch, rows, heads, head size], the same for q, k and v",
            )
            require_dtype(self.key, name, x, FLOATING if x is q else (q.dtype,))
        require_same_device(self.key, {"q": q, "k": k, "v": v})
        require(k.shape == v.shape, self.key, "v", f"has shape {tuple(v.shape)}", f"{tuple(k.shape)}, the shape of k")
        require(
            k.shape[-1] == q.shape[-1] and HEAD_SIZES[0] <= q.shape[-1] <= HEAD_SIZES[1],
            self.key,
            "k",
            f"has a head size of {k.shape[-1]}",
            f"{q.shape[-1]}, that of q, from {HEAD_SIZES[0]} to {HEAD_SIZES[1]}",
        )
        require(
            k.shape[-2] > 0 and q.shape[-2] % k.shape[-2] == 0,
            self.key,
            "k",
            f"has {k.shape[-2]} heads",
            f"a divisor of the {q.shape[-2]} heads of q",
        )
        require(
            q.dim() == 3 or q.shape[0] == k.shape[0],
            self.key,
            "k",
            f"has a batch of {k.shape[0]}",
            f"{q.shape[0]}, that of q",
        )

    def _require_bounds(self, name: str, cu: Tensor | None, rows: Tensor) -> None:
        if cu is None:
            raise ValueError(f"{self.key}: {name} is None; expected both cu_seqlens_q and cu_seqlens_kv, or none")
        require_dtype(self.key, name, cu, (torch.int32, torch.int64))
        require(cu.dim() == 1 and cu.numel() >= 2, self.key, name, f"has shape {tuple(cu.shape)}", "[segments + 1]")
        if cu.device.type != "cpu":
            return  # looking would wait for the device
        bounds = cu.tolist()
        require(
            bounds[0] == 0 and bounds[-1] <= rows.shape[0] and all(a <= b for a, b in pairwise(bounds)),
            self.key,
            name,
            f"is {bounds if len(bounds) <= 8 else f'{bounds[:8]} ...'}",
            f"rising bounds from 0 to at most {rows.shape[0]}, the rows that there are",
        )
