"""A block of Wan 2.1 1.3B (1536 channels, 12 heads, 1024 tokens) on one thread: the operators of lightx2v_fl against
LightX2V's built-in ones, both on flagos with every other operator on PyTorch's CPU kernels.

With LIGHTX2V=path/to/checkout the block and the built-in operators are LightX2V's own. Without it the block is written
out below from the framework's order of calls, and the built-in operators are the PyTorch functions that they call; the
figures say which it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .measure import Ratio, ratio

DIM, HEADS, TOKENS, TEXT, FFN = 1536, 12, 1024, 512, 8960
SIZE = DIM // HEADS
DTYPE = torch.bfloat16
ROOT = Path(__file__).resolve().parent.parent


def run(pairs: int) -> Iterator[Ratio]:
    import torch_fl
    from torch_fl import routing

    torch.set_num_threads(1)
    checkout = os.environ.get("LIGHTX2V", "")
    with torch.no_grad(), routing.override("*", "cpu"):
        yield from _operators(pairs)
        blocks = _blocks_of_lightx2v(checkout) if checkout else _blocks_written_out()
        against = "built-in" if checkout else "PyTorch's"
        few = max(pairs // 4, 7)  # a block takes a second
        ours, theirs, int8 = blocks
        yield ratio("Wan block bf16", ours, theirs, calls=1, pairs=few, limit=1.0, against=against)
        # Tiles multiply int8 twice as fast as bf16, and much of a block is neither; VNNI four times as fast.
        limit = 1.0 if torch.ops.flagos.transformer_code_path().endswith("+amx") else 0.8
        yield ratio("Wan block int8", int8, ours, calls=1, pairs=few, limit=limit, against="our bf16")
    del torch_fl


def _random(*shape: int) -> Tensor:
    return torch.randn(*shape).to(DTYPE).to("flagos")


def _rms_built_in(x: Tensor, weight: Tensor, eps: float = 1e-6) -> Tensor:
    wide = x.float()
    return (wide * torch.rsqrt(wide.pow(2).mean(dim=-1, keepdim=True) + eps)).type_as(x) * weight


def _rope_built_in(x: Tensor, freqs: Tensor) -> Tensor:
    wide, cos, sin = x.float(), freqs.real, freqs.imag
    first, second = wide[..., 0::2], wide[..., 1::2]
    out = torch.empty_like(wide)
    out[..., 0::2] = first * cos - second * sin
    out[..., 1::2] = first * sin + second * cos
    return out.to(x.dtype)


def _attention_built_in(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    heads = (x.unsqueeze(0).transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(*heads).transpose(1, 2).reshape(q.shape[0], -1)


def _freqs() -> Tensor:
    angles = torch.randn(TOKENS, 1, SIZE // 2)
    return torch.polar(torch.ones_like(angles), angles).to("flagos")


def _operators(pairs: int) -> Iterator[Ratio]:
    """Each operator of ours against the functions that the built-in one calls."""
    from lightx2v_fl.kernels import attention_kernel, normalisation, rotation

    x, weight, freqs = _random(TOKENS, DIM), _random(DIM), _freqs()
    q, k, v = (_random(TOKENS, HEADS, SIZE) for _ in range(3))
    parts = torch.view_as_real(freqs)
    call = attention_kernel.Call()
    cases: list[tuple[str, Callable[[], Any], Callable[[], Any], int]] = [
        ("attention", lambda: attention_kernel.attend(q, k, v, call), lambda: _attention_built_in(q, k, v), 1),
        (
            "RMS norm",
            lambda: normalisation.rms_norm(x, weight, 1e-6, DTYPE),
            lambda: _rms_built_in(x, weight),
            10,
        ),
        (
            "layer norm",
            lambda: normalisation.layer_norm(x, None, None, 1e-6, DTYPE),
            lambda: F.layer_norm(x, (DIM,)),
            10,
        ),
        (
            "RoPE",
            lambda: rotation.rotate(q, parts[..., 0], parts[..., 1], True, torch.float32),
            lambda: _rope_built_in(q, freqs),
            5,
        ),
    ]
    for name, ours, theirs, calls in cases:
        yield ratio(f"{name} bf16", ours, theirs, calls=calls, pairs=pairs, limit=0.8, against="PyTorch's")


Linear = Callable[[Tensor], Tensor]


def _blocks_written_out() -> tuple[Callable[[], Tensor], Callable[[], Tensor], Callable[[], Tensor]]:
    """Ours, PyTorch's and our int8 block, over the same weights."""
    from lightx2v_fl.kernels import attention_kernel, normalisation, quantised_product, rotation

    names = ("q", "k", "v", "o", "cross q", "cross k", "cross v", "cross o", "ffn 0", "ffn 2")
    shapes = {name: (DIM, DIM) for name in names} | {"ffn 0": (FFN, DIM), "ffn 2": (DIM, FFN)}
    weights = {name: torch.randn(shape) * shape[1] ** -0.5 for name, shape in shapes.items()}
    plain: dict[str, Linear] = {}
    int8: dict[str, Linear] = {}
    for name, weight in weights.items():
        bias = _random(weight.shape[0])
        plain[name] = _plain_linear(weight.to(DTYPE).to("flagos").t(), bias)
        scale = weight.abs().amax(1, keepdim=True) / 127
        stored = (weight / scale).round().to(torch.int8).to("flagos")
        int8[name] = _int8_linear(quantised_product.int8_linear, stored, scale.flatten().to("flagos"), bias.float())
    tokens, text, freqs, norm = _random(TOKENS, DIM), _random(TEXT, DIM), _freqs(), _random(DIM)
    shift, scale, gate = (_random(DIM) * 0.1 for _ in range(3))
    parts = torch.view_as_real(freqs)

    def block(linear: dict[str, Linear], ours: bool) -> Tensor:
        def rms(x: Tensor) -> Tensor:
            return normalisation.rms_norm(x, norm, 1e-6, DTYPE) if ours else _rms_built_in(x, norm)

        def layer(x: Tensor, weight: Tensor | None = None) -> Tensor:
            if ours:
                return normalisation.layer_norm(x, weight, weight, 1e-6, DTYPE)
            return F.layer_norm(x, (DIM,), weight, weight)

        def rope(x: Tensor) -> Tensor:
            if ours:
                return rotation.rotate(x, parts[..., 0], parts[..., 1], True, torch.float32)
            return _rope_built_in(x, freqs)

        def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            if ours:
                return attention_kernel.attend(q, k, v, attention_kernel.Call())[0].reshape(q.shape[0], -1)
            return _attention_built_in(q, k, v)

        def heads(x: Tensor) -> Tensor:
            return x.view(-1, HEADS, SIZE)

        x = tokens.clone()
        h = layer(x) * (1 + scale) + shift
        q, k = rope(heads(rms(linear["q"](h)))), rope(heads(rms(linear["k"](h))))
        x.add_(linear["o"](attend(q, k, heads(linear["v"](h)))) * gate)
        q = heads(rms(linear["cross q"](layer(x, norm))))
        k, v = heads(rms(linear["cross k"](text))), heads(linear["cross v"](text))
        x.add_(linear["cross o"](attend(q, k, v)))
        h = layer(x) * (1 + scale) + shift
        return x.add_(linear["ffn 2"](F.gelu(linear["ffn 0"](h), approximate="tanh")) * gate)

    return lambda: block(plain, True), lambda: block(plain, False), lambda: block(int8, True)


def _plain_linear(weight: Tensor, bias: Tensor) -> Linear:
    return lambda x: torch.addmm(bias, x, weight)


def _int8_linear(product: Callable[..., Tensor], weight: Tensor, scale: Tensor, bias: Tensor) -> Linear:
    return lambda x: product(x, weight, scale, bias)


def _blocks_of_lightx2v(checkout: str) -> tuple[Callable[[], Tensor], Callable[[], Tensor], Callable[[], Tensor]]:
    """The same by LightX2V's own block and infer classes."""
    import sys
    from types import SimpleNamespace

    sys.path.insert(0, str(ROOT))
    os.environ["PLATFORM"] = "flagos"
    import lightx2v_fl

    from tests.lightx2v import tiny_wan as wan

    sys.path.insert(0, checkout)
    lightx2v_fl.register()
    wan.open_framework(checkout)
    from lightx2v.models.networks.wan.infer.transformer_infer import WanTransformerInfer
    from lightx2v.models.networks.wan.weights.transformer_weights import WanTransformerWeights

    size = {"dim": DIM, "ffn_dim": FFN, "num_heads": HEADS, "num_layers": 1}
    plain = wan.tensors(config={**wan.CONFIG, **size})
    tokens, text, freqs = _random(TOKENS, DIM), _random(TEXT, DIM), _freqs()
    embed = _random(1, 6, DIM) * 0.1

    def make(operators: dict[str, Any], tensors: dict[str, Tensor]) -> Callable[[], Tensor]:
        config = {**wan.RUN, **wan.CONFIG, **size, "model_cls": "wan2.1", "task": "t2v", "seq_parallel": False,
                  "cpu_offload": False, "feature_caching": "NoCaching", **operators}  # fmt: skip
        weights = WanTransformerWeights(config)
        weights.load({n: (t.to(DTYPE) if t.dtype == torch.float32 else t).to("flagos") for n, t in tensors.items()})
        infer = WanTransformerInfer(config)
        infer.scheduler, infer.cos_sin, infer.block_idx = None, freqs, 0
        infer.reset_infer_states(tokens, text)
        given = SimpleNamespace(context=text, embed0=embed, grid_sizes=None, x=tokens, adapter_args={})

        def block() -> Tensor:
            return infer.infer_block(weights.blocks[0], tokens.clone(), given)

        return block

    ours = make(wan.FLAGOS, plain)
    theirs = make({**wan.BUILT_IN, "rms_norm_type": "torch"}, plain)
    int8 = make({**wan.FLAGOS, "dit_quant_scheme": "flagos-int8"}, wan.quantised(plain, torch.int8))
    return ours, theirs, int8
