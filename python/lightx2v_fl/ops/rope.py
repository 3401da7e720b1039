"""`flagos_rope`: rotary position embedding of queries and keys, both layouts, every form of table that LightX2V passes.

  complex  [rows, 1, d/2] or [rows, d/2]: cos + i sin           (Wan, Qwen-Image, Z-Image)
  real     [rows, d]: cosines of the pairs, then their sines     (HunyuanVideo)
  (cos, sin), each as wide as the channels that turn or half     (Flux, LongCat, Cosmos; LTX: [batch, heads, rows, d])
Rows are tokens, or `positions` says which row a token takes. Tokens beyond the table and channels beyond rotary_dim
stay as they are. Tables are taken as they come: prepare_freqs() gives back what it got, which the framework may slice
and join.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lightx2v_fl.errors import require, require_dtype
from lightx2v_fl.kernels import rotation
from lightx2v_fl.ops.stateless import StatelessOperator

LAYOUTS = ("interleaved", "split_half")
Table = Tensor | tuple[Tensor, Tensor]


class Rope(StatelessOperator):
    """apply(q, k, freqs) -> (q, k) turned, fresh, in their own dtypes; computed in compute_dtype and rounded once."""

    key = "flagos_rope"

    def __init__(self, layout: str = "interleaved", compute_dtype: torch.dtype = torch.float32, **_: Any) -> None:
        super().__init__()
        require(layout in LAYOUTS, self.key, "layout", f"is {layout!r}", " or ".join(LAYOUTS))
        require(
            compute_dtype in (torch.float32, torch.float64),
            self.key,
            "compute_dtype",
            f"is {compute_dtype}",
            "torch.float32 or torch.float64",
        )
        self.layout = layout
        self.compute_dtype = compute_dtype

    def prepare_freqs(self, freqs: Table, rotary_dim: int | None = None) -> Table:
        """The table itself, checked: a tensor stays a tensor."""
        if isinstance(freqs, tuple):
            require(
                len(freqs) == 2 and freqs[0].shape == freqs[1].shape,
                self.key,
                "freqs",
                f"is a tuple of shapes {[tuple(part.shape) for part in freqs]}",
                "(cos, sin) of one shape",
            )
        elif not isinstance(freqs, Tensor):
            raise TypeError(f"{self.key}: freqs is a {type(freqs).__name__}; expected a tensor or (cos, sin)")
        if rotary_dim is not None:
            self._cos_sin(freqs, rotary_dim)
        return freqs

    def prepare_positions(self, freqs: Table) -> None:
        """None: row i of the table is token i's."""
        return

    def apply(
        self,
        q: Tensor,
        k: Tensor,
        freqs: Table,
        positions: Tensor | None = None,
        rotary_dim: int | None = None,
        unsqueeze_dim: int = -2,
        **_: Any,
    ) -> tuple[Tensor, Tensor]:
        """q and k turned by one table. See apply_single."""
        return (
            self.apply_single(q, freqs, positions, rotary_dim, unsqueeze_dim),
            self.apply_single(k, freqs, positions, rotary_dim, unsqueeze_dim),
        )

    def apply_single(
        self,
        x: Tensor,
        freqs: Table,
        positions: Tensor | None = None,
        rotary_dim: int | None = None,
        unsqueeze_dim: int = -2,
        **_: Any,
    ) -> Tensor:
        """x turned. Its last dimension is the channels; a table of fewer dimensions gets new ones at `unsqueeze_dim`,
        so that with the default the tokens are the dimension before the heads."""
        require_dtype(self.key, "x", x, (torch.float32, torch.bfloat16, torch.float16, torch.float64))
        width = x.shape[-1]
        turning = rotary_dim or width
        require(
            turning % 2 == 0 and 0 < turning <= width,
            self.key,
            "rotary_dim",
            f"is {turning} for x of shape {tuple(x.shape)}",
            f"an even number up to {width}",
        )
        cos, sin = self._cos_sin(freqs, turning)
        if positions is not None:
            require(
                positions.dim() == 1, self.key, "positions", f"has shape {tuple(positions.shape)}", "one row a token"
            )
            cos, sin = cos.index_select(0, positions), sin.index_select(0, positions)
        while cos.dim() < x.dim():
            cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
        tokens = self._tokens(cos, x, unsqueeze_dim)
        rows = cos.shape[tokens]
        head = x.narrow(tokens, 0, min(rows, x.shape[tokens])) if rows not in (1, x.shape[tokens]) else x
        if rows > x.shape[tokens]:
            cos, sin = cos.narrow(tokens, 0, x.shape[tokens]), sin.narrow(tokens, 0, x.shape[tokens])
        self._require_broadcast(cos, head)
        turned = rotation.rotate(head[..., :turning], cos, sin, self.layout == "interleaved", self.compute_dtype)
        if turning < width:
            turned = torch.cat((turned, head[..., turning:]), dim=-1)
        if head.shape[tokens] < x.shape[tokens]:
            rest = x.narrow(tokens, head.shape[tokens], x.shape[tokens] - head.shape[tokens])
            turned = torch.cat((turned, rest), dim=tokens)
        return turned

    def _cos_sin(self, freqs: Table, turning: int) -> tuple[Tensor, Tensor]:
        """The table as cosines and sines of width `turning` or half of it."""
        if isinstance(freqs, tuple):
            cos, sin = freqs
            good = cos.shape == sin.shape and cos.shape[-1] in (turning, turning // 2)
            told, expected = (
                f"has widths {cos.shape[-1]} and {sin.shape[-1]}",
                f"{turning // 2} or {turning}, both alike",
            )
        elif freqs.is_complex():
            parts = torch.view_as_real(freqs)
            cos, sin = parts[..., 0], parts[..., 1]
            good, told, expected = cos.shape[-1] == turning // 2, f"has width {cos.shape[-1]}", f"{turning // 2}"
        else:
            good, told, expected = (
                freqs.shape[-1] == turning,
                f"has width {freqs.shape[-1]}",
                f"{turning}: cos, then sin",
            )
            cos, sin = freqs[..., : turning // 2], freqs[..., turning // 2 :]
        require(good, self.key, "freqs", told, f"{expected} (rotary width {turning})")
        return cos, sin

    @staticmethod
    def _tokens(table: Tensor, x: Tensor, unsqueeze_dim: int) -> int:
        """The dimension of x that the rows of the table run along: where the table is not 1, but for the channels."""
        running = [dim for dim in range(x.dim() - 1) if table.shape[dim] != 1]
        if not running:
            return 0
        # A batch comes before the tokens; a table a head comes after them, and has all the heads.
        partial = [dim for dim in running if table.shape[dim] != x.shape[dim]]
        return partial[0] if partial else running[0]

    def _require_broadcast(self, table: Tensor, x: Tensor) -> None:
        fits = table.dim() == x.dim() and all(t in (1, n) for t, n in zip(table.shape[:-1], x.shape[:-1], strict=True))
        require(fits, self.key, "freqs", f"has shape {tuple(table.shape)}", f"one that broadcasts to {tuple(x.shape)}")
