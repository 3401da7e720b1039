"""What the tests of FlagGems' operators allow: tolerances, dtypes that FlagGems does not take, and what it gets wrong.

Every row is a fact about flag_gems 5.0.2, with its reason. A row of WRONG that comes right fails the test.
"""

from __future__ import annotations

#: |actual - expected| <= absolute + relative * |expected|, by dtype; "*" holds for every entry. Sixteen-bit results are
#: also right when they agree with the same call in float32.
TOLERANCES: dict[str, dict[str, tuple[float, float]]] = {
    "*": {
        "float32": (1e-4, 1e-4),
        "float16": (4e-3, 4e-3),
        "bfloat16": (2e-2, 2e-2),
        "float64": (1e-6, 1e-6),
        "complex64": (1e-4, 1e-4),
    },
}

#: Values come from another random engine: shape and dtype are compared, moments in test_random.py.
RANDOM = frozenset(
    (
        "bernoulli_.float",
        "exponential_",
        "multinomial",
        "native_dropout",
        "normal.Tensor_Tensor",
        "normal.Tensor_float",
        "normal.float_Tensor",
        "normal_",
        "rand",
        "rand_like",
        "randn",
        "randn_like",
        "randperm",
        "uniform_",
    )
)

#: Entries that no call of PyTorch reaches by a route, and why; test_direct.py calls FlagGems' function itself.
DIRECT: dict[str, str] = {
    **dict.fromkeys(
        ("bitwise_left_shift", "bitwise_right_shift", "copysign", "greater.out", "new_full.Tensor"),
        "PyTorch has no overload of this name",
    ),
    **dict.fromkeys(
        ("nll_loss_nd_forward", "nll_loss_nd_backward", "scaled_softmax_forward", "scaled_softmax_backward"),
        "PyTorch has no operator of this name",
    ),
    "copy_": "copies are the device itself and are not routed",
    "_conv_depthwise2d": "PyTorch's CPU has no such operator to compare with",
    "_flash_attention_forward": "PyTorch's CPU has no such operator to compare with",
    "max_pool2d_backward": "PyTorch's CPU has no such operator to compare with",
    "embedding_backward": "PyTorch calls embedding_dense_backward instead",
    "gather_backward": "PyTorch composes it of scatter_add",
}

_INTEGERS = ("int64", "int32")

#: Dtypes that FlagGems' kernels do not take; such calls go on to the next target.
UNSERVED: dict[str, tuple[str, ...]] = {
    # tl.dot has no integers of more than eight bits.
    **dict.fromkeys(("addmm", "addmm.out", "baddbmm", "bmm", "bmm.out", "mm", "mm.out"), _INTEGERS),
    # The loop of the kernel carries a predicate that becomes an integer.
    **dict.fromkeys(("cummax", "cummin"), ("bool",)),
    # Triton adds no predicates atomically.
    **dict.fromkeys(
        ("index_put", "index_put_", "index_add", "index_add_", "scatter.reduce", "scatter_.reduce", "scatter_add_"),
        ("bool",),
    ),
    # Results of integers are floats, which the given output cannot hold.
    "special_i0e.out": (*_INTEGERS, "bool"),
    "sgn_": ("bool",),
    "topk": (*_INTEGERS, "bool"),
}

#: Entries whose CPU kernel takes its operands for contiguous, so that it is no reference for others.
WITHOUT_GAPS = frozenset(("_weight_norm_interface", "native_group_norm_backward"))

#: Entries that FlagGems gets wrong.
WRONG: dict[str, str] = {}
