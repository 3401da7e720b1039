"""The operators of a Qwen3 inference, in the shapes and dtypes in which the model calls them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tests.integration.reference import same_as_cpu, values

pytestmark = pytest.mark.anyplatform
BATCH, LENGTH, HEADS, SIZE = 2, 6, 4, 8
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)


def test_device_is_there() -> None:
    assert torch.flagos.is_available()
    assert torch.flagos.device_count() >= 1
    assert torch.zeros(1, device="flagos").device == torch.device("flagos", torch.flagos.current_device())


@DTYPES
def test_rms_norm_as_written_in_the_model(dtype: torch.dtype) -> None:
    def norm(hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        wide = hidden.to(torch.float32)
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)
        return weight * wide.to(hidden.dtype)

    same_as_cpu(norm, values(BATCH, LENGTH, 32, dtype=dtype), values(32, dtype=dtype, seed=1))


@DTYPES
def test_rotary_embedding(dtype: torch.dtype) -> None:
    def rotate(query: torch.Tensor, frequencies: torch.Tensor) -> torch.Tensor:
        positions = torch.arange(LENGTH, device=query.device)
        angles = positions[:, None].float() @ frequencies[None, :].float()
        angles = torch.cat((angles, angles), dim=-1)
        cos, sin = angles.cos().to(query.dtype), angles.sin().to(query.dtype)
        left, right = query.chunk(2, dim=-1)
        return query * cos + torch.cat((-right, left), dim=-1) * sin

    same_as_cpu(rotate, values(BATCH, HEADS, LENGTH, SIZE, dtype=dtype), values(SIZE // 2))


@DTYPES
@pytest.mark.parametrize("masked", [False, True])
def test_grouped_query_attention(dtype: torch.dtype, masked: bool) -> None:
    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        key, value = (kept.repeat_interleave(2, dim=1) for kept in (key, value))
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=mask is None)
        return mixed.transpose(1, 2).reshape(BATCH, LENGTH, HEADS * SIZE)

    mask = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril() if masked else None
    query, key = values(BATCH, HEADS, LENGTH, SIZE, dtype=dtype), values(BATCH, HEADS // 2, LENGTH, SIZE, dtype=dtype)
    same_as_cpu(attend, query, key, values(BATCH, HEADS // 2, LENGTH, SIZE, dtype=dtype, seed=2), mask)


@DTYPES
def test_gated_mlp(dtype: torch.dtype) -> None:
    def mlp(x: torch.Tensor, gate: torch.Tensor, up: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
        return F.linear(F.silu(F.linear(x, gate)) * F.linear(x, up), down)

    gate, up, down = ((values(*shape, dtype=dtype) - 0.6) / 8 for shape in ((48, 16), (48, 16), (16, 48)))
    same_as_cpu(mlp, values(BATCH, LENGTH, 16, dtype=dtype), gate, up, down)


def test_key_value_cache_grows_by_cat_and_by_index_copy() -> None:
    same_as_cpu(lambda old, new: torch.cat([old, new], dim=-2), values(2, 2, 5, 4), values(2, 2, 1, 4, seed=1))
    cache, entry, at = values(2, 2, 8, 4), values(2, 2, 1, 4, seed=1), torch.tensor([5])
    same_as_cpu(lambda old, where, new: old.index_copy(2, where, new), cache, at, entry)


def test_embedding_lookup_and_head() -> None:
    same_as_cpu(lambda ids, table: F.embedding(ids, table) @ table.t(), values(2, 5, dtype=torch.int64), values(20, 8))


def test_choosing_the_next_token() -> None:
    logits = values(2, 50)
    same_as_cpu(lambda x: x.argmax(-1), logits)
    same_as_cpu(lambda x: torch.topk(x, 5), logits)
    same_as_cpu(lambda x: torch.sort(x, descending=True), logits)
    same_as_cpu(lambda x: torch.softmax(x / 0.7, -1).cumsum(-1), logits)


def test_sampling_follows_the_probabilities() -> None:
    weights = torch.tensor([0.0, 1.0, 3.0], device="flagos")
    torch.manual_seed(0)
    drawn = torch.multinomial(weights, 4000, replacement=True)
    counts = torch.bincount(drawn, minlength=3).tolist()
    assert counts[0] == 0
    assert 2850 < counts[2] < 3150  # 3000 +- 5 standard deviations of 27
