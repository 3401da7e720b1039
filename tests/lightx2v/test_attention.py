"""flagos_flash_attn against the formula in fp64, in every form in which LightX2V calls it."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from lightx2v_fl.kernels.supply import only
from lightx2v_fl.ops.attention import FlashAttention
from torch import Tensor
from torch.nn import functional as F

TORCH = tuple(map(int, torch.__version__.split(".")[:2]))
LIMIT = {torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 1e-2}


def formula(
    q: Tensor, k: Tensor, v: Tensor, *, causal: bool = False, scale: float | None = None, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """One segment [rows, heads, size] -> out and logsumexp, fp64 on the CPU."""
    q, k, v = (x.cpu().double().transpose(0, 1) for x in (q, k, v))
    k, v = (x.repeat_interleave(q.shape[0] // x.shape[0], dim=0) for x in (k, v))
    scores = q @ k.transpose(1, 2) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    lq, lk = scores.shape[1:]
    if causal:
        hidden = torch.ones(lq, lk, dtype=torch.bool).triu(diagonal=1 + lk - lq)
        scores = scores.masked_fill(hidden, -math.inf)
    if mask is not None:
        mask = mask.cpu()
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask.double()
    lse = torch.logsumexp(scores, dim=-1) if lk else torch.full((q.shape[0], lq), -math.inf, dtype=torch.float64)
    weights = torch.nan_to_num(torch.exp(scores - lse.unsqueeze(-1)), nan=0.0)
    return (weights @ v).transpose(0, 1), lse.transpose(0, 1)


def random(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape).to(dtype).to("flagos")


def assert_close(ours: Tensor, theirs: Tensor, dtype: torch.dtype) -> None:
    theirs = theirs.reshape(ours.shape)
    error = (ours.cpu().double() - theirs).abs().max().item() if ours.numel() else 0.0
    assert error <= LIMIT[dtype] * max(1.0, theirs.abs().max().item() if theirs.numel() else 0), error


@pytest.mark.skipif(
    not torch.ops.flagos.transformer_code_path().startswith("x86-64") or TORCH < (2, 13),
    reason="bf16 follows the exponential of torch 2.13 on x86-64-v3 and above",
)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("rows", "keys", "size"), [(64, 257, 64), (64, 512, 128), (65, 1100, 80), (9, 300, 256)])
def test_bf16_rounds_as_pytorch_does(rows: int, keys: int, size: int, masked: bool) -> None:
    q, k, v = (torch.randn(n, 4, size).to(torch.bfloat16) for n in (rows, keys, keys))
    mask = torch.randn(1, 4, rows, keys).to(torch.bfloat16) if masked else None
    with only("native"):
        ours = FlashAttention().apply(q, k, v, attn_mask=mask)
    heads = (x.unsqueeze(0).transpose(1, 2) for x in (q, k, v))
    theirs = F.scaled_dot_product_attention(*heads, attn_mask=mask).transpose(1, 2).reshape(rows, -1)
    # What is left is the order in which the matrix product that PyTorch calls adds, which depends on CPU and shape. By
    # an exact exponential one element of four would differ.
    assert (ours != theirs).sum() <= 0.02 * ours.numel()


@pytest.mark.parametrize("dtype", list(LIMIT))
@pytest.mark.parametrize("size", [16, 24, 64, 80, 96, 128])
def test_head_sizes_and_dtypes(supplier: str, dtype: torch.dtype, size: int) -> None:
    q, k, v = random(67, 3, size, dtype=dtype), random(300, 3, size, dtype=dtype), random(300, 3, size, dtype=dtype)
    out = FlashAttention().apply(q, k, v, block_idx=3, scheduler=None, grid_sizes=(1, 2, 3), model_cls="wan2.1")
    assert (out.shape, out.dtype, out.device.type) == ((67, 3 * size), dtype, "flagos")
    assert_close(out, formula(q, k, v)[0], dtype)


@pytest.mark.parametrize("heads", [(4, 4), (6, 2), (5, 1)], ids=["mha", "gqa", "mqa"])
@pytest.mark.parametrize("lengths", [(50, 50), (50, 70), (70, 50), (1, 600), (600, 1)])
@pytest.mark.parametrize("causal", [False, True])
def test_lengths_heads_and_causal(
    supplier: str, heads: tuple[int, int], lengths: tuple[int, int], causal: bool
) -> None:
    q, k, v = random(lengths[0], heads[0], 32), random(lengths[1], heads[1], 32), random(lengths[1], heads[1], 32)
    out = FlashAttention().apply(q, k, v, causal=causal, softmax_scale=0.3)
    assert_close(out, formula(q, k, v, causal=causal, scale=0.3)[0], torch.float32)


def packed(q: Tensor, k: Tensor, v: Tensor, cu_q: list[int], cu_kv: list[int], causal: bool) -> Tensor:
    """The formula, segment by segment; rows of no segment are 0."""
    out = torch.zeros(q.shape, dtype=torch.float64)
    for (a, b), (c, d) in zip(pairwise(cu_q), pairwise(cu_kv), strict=True):
        out[a:b] = formula(q[a:b], k[c:d], v[c:d], causal=causal)[0]
    return out


@pytest.mark.parametrize("where", ["cpu", "flagos"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("cu_q", "cu_kv"),
    [([0, 5, 40], [0, 17, 30]), ([0, 0, 7, 7, 40], [0, 3, 3, 20, 30]), ([0, 30], [0, 25]), ([0, 40], [0, 30])],
    ids=["two", "empty ones", "one that leaves rows over", "one of all"],
)
def test_packed_segments(supplier: str, where: str, causal: bool, cu_q: list[int], cu_kv: list[int]) -> None:
    q, k, v = random(40, 4, 16), random(30, 2, 16), random(30, 2, 16)
    bounds = [torch.tensor(cu, dtype=torch.int32, device=where) for cu in (cu_q, cu_kv)]
    out = FlashAttention().apply(q, k, v, *bounds, 40, 30, causal=causal)
    assert_close(out, packed(q, k, v, cu_q, cu_kv, causal), torch.float32)


@pytest.mark.parametrize("bounded", [False, True], ids=["batch", "packed over the batch"])
def test_a_batch_does_not_attend_across(supplier: str, bounded: bool) -> None:
    q, k, v = random(3, 20, 4, 16), random(3, 25, 4, 16), random(3, 25, 4, 16)
    cu_q, cu_kv = [0, 20, 40, 60], [0, 25, 50, 75]
    bounds = [torch.tensor(cu, dtype=torch.int32) for cu in (cu_q, cu_kv)] if bounded else []
    out = FlashAttention().apply(q, k, v, *bounds)
    assert out.shape == (60, 64)
    assert_close(out, packed(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), cu_q, cu_kv, False), torch.float32)


@pytest.mark.parametrize("kind", ["bool", "float"])
def test_masks(supplier: str, kind: str) -> None:
    q, k, v = random(20, 4, 16), random(30, 4, 16), random(30, 4, 16)
    mask = torch.rand(4, 20, 30) > 0.4 if kind == "bool" else torch.randn(4, 20, 30)
    if kind == "bool":
        mask[:, 3] = False  # a row that sees nothing gives 0
    out = FlashAttention().apply(q, k, v, attn_mask=mask.unsqueeze(0).to("flagos"))
    assert_close(out, formula(q, k, v, mask=mask)[0], torch.float32)


@pytest.mark.parametrize("dtype", list(LIMIT))
def test_logsumexp_joins_parts(supplier: str, dtype: torch.dtype) -> None:
    """What ring attention does with two halves of the keys."""
    q, k, v = random(33, 2, 64, dtype=dtype), random(80, 2, 64, dtype=dtype), random(80, 2, 64, dtype=dtype)
    operator = FlashAttention()
    parts = [operator.apply_with_lse(q, k[half], v[half]) for half in (slice(0, 37), slice(37, 80))]
    out, lse = formula(q, k, v)
    assert parts[0][0].shape == (33, 2, 64)
    assert parts[0][1].shape == (33, 2)
    total = torch.logaddexp(parts[0][1], parts[1][1])
    joined = sum(torch.exp(part_lse - total).unsqueeze(-1) * part.float() for part, part_lse in parts)
    assert_close(joined, out, dtype)
    assert (total.cpu().double() - lse).abs().max() < 1e-4 if dtype == torch.float32 else 2e-2


def test_views_are_taken_as_they_lie_and_results_are_fresh(supplier: str) -> None:
    qkv = random(40, 3, 4, 32)
    q, k, v = qkv.unbind(1)
    before = qkv.clone()
    out = FlashAttention().apply(q, k, v)
    assert_close(out, formula(q, k, v)[0], torch.float32)
    out.add_(1)
    assert torch.equal(qkv, before)
    transposed = random(4, 40, 32).transpose(0, 1)
    assert_close(FlashAttention().apply(transposed, k, v), formula(transposed, k, v)[0], torch.float32)


def test_nan_in_a_key_reaches_every_query(supplier: str) -> None:
    q, k, v = random(9, 1, 16), random(9, 1, 16), random(9, 1, 16)
    k[4, 0, 3] = math.nan
    assert FlashAttention().apply(q, k, v).isnan().all()


def test_large_scores_do_not_overflow(supplier: str) -> None:
    q, k, v = random(9, 1, 16) * 1000, random(50, 1, 16) * 1000, random(50, 1, 16)
    assert_close(FlashAttention().apply(q, k, v), formula(q, k, v)[0], torch.float32)


def test_a_window_is_served_by_torch() -> None:
    q, k, v = random(12, 2, 16), random(12, 2, 16), random(12, 2, 16)
    near = (torch.arange(12).unsqueeze(0) - torch.arange(12).unsqueeze(1)).abs() <= 2
    out = FlashAttention().apply(q, k, v, window_size=(2, 2))
    assert_close(out, formula(q, k, v, mask=near.expand(2, 12, 12))[0], torch.float32)
    with only("native"), pytest.raises(NotImplementedError, match=r"flagos_flash_attn.*window"):
        FlashAttention().apply(q, k, v, window_size=(2, 2))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (dict(k=(30, 4, 24)), ValueError, r"flagos_flash_attn: v has shape .* expected \(30, 4, 24\)"),
        (
            dict(k=(30, 3, 16), v=(30, 3, 16)),
            ValueError,
            "flagos_flash_attn: k has 3 heads; expected a divisor of the 4",
        ),
        (dict(k=(30, 4, 24), v=(30, 4, 24)), ValueError, "k has a head size of 24; expected 16"),
        (dict(q=(20, 64)), ValueError, "flagos_flash_attn: q has shape"),
        (dict(cu=([0, 20], None)), ValueError, "cu_seqlens_kv is None"),
        (
            dict(cu=([0, 21], [0, 30])),
            ValueError,
            r"cu_seqlens_q is \[0, 21\]; expected rising bounds from 0 to at most 20",
        ),
        (dict(cu=([0, 12, 9], [0, 4, 30])), ValueError, "cu_seqlens_q is"),
        (dict(cu=([0, 20], [0, 4, 30])), ValueError, "2 and 3 bounds"),
        (dict(dtype=torch.float64), TypeError, "flagos_flash_attn: q has dtype float64"),
    ],
)
def test_bad_input_is_named(change: dict, error: type[Exception], words: str) -> None:
    shapes = {"q": (20, 4, 16), "k": (30, 4, 16), "v": (30, 4, 16)}
    shapes |= {name: change[name] for name in shapes if name in change}
    q, k, v = (
        torch.zeros(shape, dtype=change.get("dtype", torch.float32), device="flagos") for shape in shapes.values()
    )
    bounds = [None if cu is None else torch.tensor(cu, dtype=torch.int32) for cu in change.get("cu", ())]
    with pytest.raises(error, match=words):
        FlashAttention().apply(q, k, v, *bounds)
