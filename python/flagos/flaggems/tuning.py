"""The one configuration of each tuned kernel, for CPU caches.

One configuration means that FlagGems neither times candidates nor opens its database; where a call's sizes bound a
block, AT_MOST says so. Matrix products take the blocks that the compiler's register tiles and packing were measured
with; streaming kernels take rows that fit the first-level cache. What is written here is data: names and parameters are
those of FlagGems' own tuning files.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from typing import Any

Blocks = dict[str, Any]

# What kernels of one kind share.
_PRODUCT = {"BLOCK_M": 128, "BLOCK_N": 128, "BLOCK_K": 128}
_BATCHED_PRODUCT = {"TILE_M": 128, "TILE_N": 128, "TILE_K": 128, "GROUP_M": 8}
_LINEAR = {"BLOCK_SIZE_M": 128, "BLOCK_SIZE_N": 128, "BLOCK_SIZE_K": 128}
_ROWS = {"BLOCK_M": 4, "BLOCK_N": 1024}
_ONE_ROW = {"BLOCK_M": 1, "BLOCK_N": 1024}
_LONG_ROW = {"TILE_N": 4096}
_ROW_BACKWARD = {"BLOCK_ROW_SIZE": 1, "BLOCK_COL_SIZE": 2048}
_STREAM = {"BLOCK_SIZE": 4096}
_SHORT_STREAM = {"BLOCK_SIZE": 1024}
_INDEXED = {"BLOCK_SIZE0": 1, "BLOCK_SIZE1": 256}
_AS_WRITTEN: Blocks = {}

#: By the name of FlagGems' tuning files.
CONFIGURATIONS: dict[str, Blocks] = {
    # Matrix products and what is made of them.
    "mm": _PRODUCT,
    "mm_self_transpose": {"BLOCK_M": 128, "BLOCK_K": 128},
    "addmm": _LINEAR,
    "bmm": _BATCHED_PRODUCT,
    "baddbmm": _BATCHED_PRODUCT,
    "mv": {"BLOCK_M": 128, "BLOCK_N": 8},
    "attention": {"BLOCK_M": 128, "BLOCK_N": 32, "PRE_LOAD_V": False},
    "attention_bwd": {"BLOCK_M1": 64, "BLOCK_N1": 128, "BLOCK_M2": 128, "BLOCK_N2": 64},
    "conv2d_forward": {"BLOCK_NI_HO_WO": 128, "BLOCK_CO": 64, "BLOCK_CI": 32},
    "conv2d_backward_weight": {"BLOCK_CI_HK_WK": 32, "BLOCK_CO": 32, "BLOCK_NO": 32},
    "conv3d_forward": {"BLOCK_NI_DO_HO_WO": 64, "BLOCK_CO": 32, "BLOCK_CI": 32},
    # Rows: reductions, norms, softmax.
    "log_softmax": {"BLOCK_M": 8, "BLOCK_N": 512},
    "softmax_inner": {"TILE_N": 1024},
    "softmax_non_inner": {"TILE_K": 32},
    **dict.fromkeys(("naive_reduction", "vector_norm", "var_mean"), _ROWS),
    "argmin_split_k": {"BLOCK_M": 4, "BLOCK_N": 64, "BLOCK_K": 32},
    **dict.fromkeys(("layer_norm_loop", "rms_norm_loop", "instance_norm_loop"), _LONG_ROW),
    **dict.fromkeys(("layer_norm_backward", "instance_norm_backward", "weight_norm_kernel_first"), _ROW_BACKWARD),
    "weight_bias_backward": {"BLOCK_ROW_SIZE": 64, "BLOCK_COL_SIZE": 32},
    "instance_norm_weight_bias_backward": {"BLOCK_BATCH_SIZE": 1, "BLOCK_COL_SIZE": 2048},
    "weight_norm_kernel": {"BLOCK_ROW_SIZE": 4, "BLOCK_COL_SIZE": 512},
    "weight_norm_kernel_last": {"BLOCK_ROW_SIZE": 512, "BLOCK_COL_SIZE": 8},
    "cross_entropy_loss": {"BLOCK_C": 1024, "BLOCK_D": 1},
    "cross_entropy_loss_sum_and_scale": {"BLOCK_N": 1024},
    **dict.fromkeys(("layer_norm_persistent", "batch_norm", "instancenorm", "randperm"), _AS_WRITTEN),
    # Streams and indices.
    **dict.fromkeys(("masked_select", "count_nonzero", "nonzero", "vstack"), _STREAM),
    **dict.fromkeys(
        ("masked_fill", "conj_physical", "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d"),
        _SHORT_STREAM,
    ),
    **dict.fromkeys(("index", "index_put"), _INDEXED),
    "upsample_bicubic2d_aa": {"BLOCK_X": 64, "BLOCK_Y": 2},
    "replication_pad3d": {"BLOCK_H": 16, "BLOCK_W": 64},
    "triu": {"M_BLOCK_SIZE": 1, "N_BLOCK_SIZE": 2048},
    "triu_batch": {"BATCH_BLOCK_SIZE": 1, "MN_BLOCK_SIZE": 512},
    **dict.fromkeys(("kron", "gated_activation"), _ONE_ROW),
}

#: By the name of the kernel, for those whose candidates stand beside the kernel in FlagGems' sources: the values that
#: choose among the candidates. A kernel that is not named keeps the first.
KERNELS: dict[str, Blocks] = {}

#: By the name of the kernel: parameters that are at most as large as another argument of the call. FlagGems has several
#: configurations for such a kernel, and finds the one that fits by timing them.
AT_MOST: dict[str, dict[str, str]] = {"_attn_fwd": {"BLOCK_N": "HEAD_DIM"}}

#: By the name of the kernel: (tensor, condition) of arguments. Where the condition holds, the tensor is cleared before
#: the launch: the kernel leaves some of it as it was, and FlagGems gives it memory that nobody has written.
#: The mask of a causal attention has blocks that nothing reaches.
CLEARED: dict[str, tuple[str, str]] = {"flash_fwd_kernel": ("p_ptr", "return_softmax")}

#: Warps mean nothing here, but FlagGems keeps the candidates of some kernels by their number.
_WARPS = {"attention": 4}


def tuning_file() -> dict[str, list[dict[str, Any]]]:
    """CONFIGURATIONS in the shape of FlagGems' tuning files, which it reads per vendor."""
    return {
        name: [{"META": dict(values), "num_warps": _WARPS.get(name, 1), "num_stages": 1}]
        for name, values in CONFIGURATIONS.items()
    }


def choose(kernel: str, candidates: list[Any]) -> Any:
    """Of triton.Config candidates: the one whose values agree best with KERNELS, the first among equals, as a copy
    without the parameters of AT_MOST and with what CLEARED asks for."""
    wanted = KERNELS.get(kernel, {})
    chosen = copy.copy(max(candidates, key=lambda config: sum(config.kwargs.get(k) == v for k, v in wanted.items())))
    bounded = AT_MOST.get(kernel, {})
    chosen.kwargs = {name: value for name, value in chosen.kwargs.items() if name not in bounded}
    if kernel in CLEARED:
        chosen.pre_hook = functools.partial(_clear, *CLEARED[kernel])
    return chosen


def _clear(tensor: str, condition: str, arguments: Mapping[str, Any]) -> None:
    if arguments[condition]:
        arguments[tensor].zero_()


def bounds(kernel: str, candidates: list[Any]) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
    """What AT_MOST says of the kernel, as triton.heuristics take it; no block is larger than the first candidate's."""

    def bound(parameter: str, argument: str) -> Callable[[Mapping[str, Any]], Any]:
        most = candidates[0].kwargs[parameter]
        return lambda arguments: min(most, arguments[argument])

    return {parameter: bound(parameter, argument) for parameter, argument in AT_MOST.get(kernel, {}).items()}
