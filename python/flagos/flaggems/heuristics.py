"""Block sizes that FlagGems computes from a call's sizes, for CPU caches.

Only those whose general form asks a GPU for its properties, or suits a GPU alone; FlagGems falls back to its general
ones for the rest. A program here is a stretch of a loop on one core, so a block should fill the first-level cache, and
more programs than cores are of no use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Heuristic = Callable[[Mapping[str, Any]], Any]


def _power_of_two(n: int) -> int:
    return 1 << max(n - 1, 0).bit_length()


def _columns(args: Mapping[str, Any]) -> int:
    """Columns of a block that reduces over the middle of [M, N, K]: a few cache lines of each row."""
    return min(_power_of_two(args["K"]), 128)


def _rows_beside(columns: str, block: int) -> Heuristic:
    return lambda args: max(1, min(_power_of_two(args["N"]), block // args[columns]))


def _whole_row(longest: int, otherwise: int) -> Heuristic:
    return lambda args: _power_of_two(args["N"]) if args["N"] <= longest else otherwise


def _one_tile(args: Mapping[str, Any]) -> bool:
    return args["TILE_N"] >= args["N"]


_ONE_WARP: Heuristic = lambda args: 1  # noqa: E731 - the value of a table

_NON_INNER = {
    "TILE_K": _columns,
    "TILE_N": _rows_beside("TILE_K", 8192),
    "ONE_TILE_PER_CTA": _one_tile,
    "num_warps": _ONE_WARP,
}
_INNER = {"TILE_N": _whole_row(32 * 1024, 4096), "ONE_TILE_PER_CTA": _one_tile, "num_warps": _ONE_WARP}


def _attention(rows: int, columns: int) -> dict[str, Heuristic]:
    return {
        "BLOCK_M": lambda args: rows,
        "BLOCK_N": lambda args: columns,
        "num_warps": _ONE_WARP,
        "num_stages": _ONE_WARP,
    }


HEURISTICS: dict[str, dict[str, Heuristic]] = {
    "argmax_inner": _INNER,
    "argmax_non_inner": _NON_INNER,
    "mean_non_inner": _NON_INNER,
    "softmax_inner": _INNER,
    "softmax_non_inner": _NON_INNER,
    "mha_block_128": _attention(64, 64),
    "mha_block_64": _attention(64, 64),
    "mha_block_32": _attention(32, 64),
    "mha_block_16": _attention(16, 64),
}
