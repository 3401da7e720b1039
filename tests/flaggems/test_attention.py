"""scaled_dot_product_attention on FlagGems' kernels, against PyTorch's in float32."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from flagos.flaggems import package
from torch_fl import routing

pytestmark = [
    pytest.mark.flaggems_python,
    pytest.mark.skipif(isinstance(package.find(), str), reason=str(package.find())),
]
FORWARD = "_scaled_dot_product_flash_attention_for_cpu"
BACKWARD = f"{FORWARD}_backward"
TOLERANCE = {torch.float32: 2e-5, torch.float16: 1e-2, torch.bfloat16: 5e-2}


@pytest.fixture(autouse=True)
def flaggems_serves() -> Iterator[None]:
    with routing.override("*", "flagos_python, cpu"):
        yield


def operands(dtype: torch.dtype, heads: int = 4, kv_heads: int = 4, q: int = 33, kv: int = 33, head: int = 64):
    generator = torch.Generator().manual_seed(5)
    shapes = ((2, heads, q, head), (2, kv_heads, kv, head), (2, kv_heads, kv, head))
    return [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]


def results(tensors, device: str, dtype: torch.dtype, gradient: bool, **settings) -> list[torch.Tensor]:
    tensors = [x.to(device, dtype).requires_grad_(gradient) for x in tensors]
    settings = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in settings.items()}
    out = F.scaled_dot_product_attention(*tensors, **settings)
    found = [out]
    if gradient:
        weights = torch.linspace(-1, 1, out.numel()).view(out.shape).to(device, dtype)
        found += torch.autograd.grad(out, tensors, weights)
    return [x.detach().cpu().float() for x in found]


def check(tensors, gradient: bool = False, **settings) -> dict[str, str]:
    """Compares, and says which target ran the operators."""
    dtype = tensors[0].dtype
    with routing.trace() as ledger:
        actual = results(tensors, "flagos", dtype, gradient, **settings)
    expected = results(tensors, "cpu", torch.float32, gradient, **settings)
    for ours, theirs in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    return {row.operator: row.target for row in ledger.report() if row.calls > row.declined}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("causal", [False, True])
def test_forward(dtype: torch.dtype, causal: bool) -> None:
    assert check(operands(dtype), is_causal=causal)[FORWARD] == "flagos_python"


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("length", [16, 65, 130])
def test_gradients_of_causal_attention(dtype: torch.dtype, length: int) -> None:
    ran = check(operands(dtype, q=length, kv=length), gradient=True, is_causal=True)
    assert ran[FORWARD] == ran[BACKWARD] == "flagos_python"


def test_gradients_that_flaggems_gets_wrong_are_handed_on() -> None:
    assert check(operands(torch.float32), gradient=True)[BACKWARD] == "cpu"
    assert check(operands(torch.float32, q=5), gradient=True, is_causal=True)[BACKWARD] == "cpu"


def test_fewer_heads_of_keys_than_of_queries() -> None:
    ran = check(operands(torch.float32, kv_heads=2), gradient=True, is_causal=True, enable_gqa=True)
    assert ran[FORWARD] == ran[BACKWARD] == "flagos_python"


@pytest.mark.parametrize("head", [3, 16, 32, 48, 128, 192, 256])
@pytest.mark.parametrize("scale", [0.05, None])
def test_heads(head: int, scale: float | None) -> None:
    ran = check(operands(torch.float32, head=head), gradient=True, is_causal=True, scale=scale)
    assert ran[FORWARD] == ran[BACKWARD] == "flagos_python"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("head", [16, 192])
def test_heads_of_16_bits(dtype: torch.dtype, head: int) -> None:
    tensors = operands(dtype, kv_heads=2, kv=70, head=head)
    assert check(tensors, enable_gqa=True)[FORWARD] == "flagos_python"
    mask = torch.ones(33, 70, dtype=torch.bool).tril(30)
    assert check(tensors, enable_gqa=True, attn_mask=mask)[FORWARD] == "flagos_python"


def test_heads_of_16_by_flaggems_own_function() -> None:
    """FlagGems has several blocks for it and times them; here the one that fits is known."""
    import flag_gems

    q, k, v = (x.flagos() for x in operands(torch.float16, q=300, kv=520, head=16))
    for causal in (False, True):
        ours = flag_gems.ops.scaled_dot_product_attention(q, k, v, is_causal=causal)
        expected = F.scaled_dot_product_attention(*(x.cpu().float() for x in (q, k, v)), is_causal=causal)
        torch.testing.assert_close(ours.cpu().float(), expected, rtol=1e-2, atol=1e-2)


def test_wider_heads_are_handed_on() -> None:
    assert check(operands(torch.float32, head=264))[FORWARD] == "cpu"


def test_the_mask_of_dropout_is_whole() -> None:
    """FlagGems writes it where there are scores alone; a causal attention has blocks without."""
    q = operands(torch.bfloat16, q=512, head=128)[0].flagos()
    shape = (2, 4, 512, 512)
    torch.full(shape, -1.0, dtype=q.dtype, device="flagos")  # what the memory holds when the mask gets it
    # [batch, length, heads, head], no lengths of sequences, dropout, causal, with the mask
    call = (*(q.transpose(1, 2),) * 3, None, None, 512, 512, 0.2, True, True)
    mask = torch.ops.aten._flash_attention_forward(*call)[4].cpu().float()
    assert mask.shape == shape
    kept, dropped = (mask > 0).sum().item(), (mask < 0).sum().item()
    assert abs(dropped / (kept + dropped) - 0.2) < 0.01
    assert not mask.triu(1).any()


def test_masks() -> None:
    tensors = operands(torch.float32, kv=47)
    added = torch.linspace(-3, 3, 33 * 47).view(33, 47)
    kept = added > -2
    kept[:, 0] = True
    assert check(tensors, attn_mask=added)[FORWARD] == "flagos_python"
    assert check(tensors, attn_mask=kept)[FORWARD] == "flagos_python"
    # The first blocks of a row are masked altogether: they may not make NaN of it.
    late = torch.full((33, 47), -math.inf)
    late[:, 40:] = 0
    assert check(tensors, attn_mask=late)[FORWARD] == "flagos_python"


def test_a_row_that_is_masked_altogether_is_handed_on() -> None:
    mask = torch.zeros(33, 33)
    mask[3] = -math.inf
    assert check(operands(torch.float32), attn_mask=mask)[FORWARD] == "cpu"


def test_keys_and_values_laid_out_differently() -> None:
    q, k, v = operands(torch.float32)
    v = v.transpose(1, 2).contiguous().transpose(1, 2)
    assert check([q, k, v])[FORWARD] == "flagos_python"


@pytest.mark.parametrize("by_length", [False, True])
def test_results_lie_as_pytorchs_do(by_length: bool) -> None:
    q = operands(torch.float32)[0]
    q = q.transpose(1, 2).contiguous().transpose(1, 2) if by_length else q

    def strides(device: str) -> list[tuple[int, ...]]:
        x = q.to(device)
        out, logs = getattr(torch.ops.aten, FORWARD)(x, x, x, 0.0, True)
        gradients = getattr(torch.ops.aten, BACKWARD)(out, x, x, x, out, logs, 0.0, True)
        return [tensor.stride() for tensor in (out, logs, *gradients)]

    assert strides("flagos") == strides("cpu")


@pytest.mark.parametrize("heads", [16, 128])
def test_attention_over_latent_keys_in_pages(heads: int) -> None:
    """FlagGems has blocks of it for named GPUs; the vendor brings its own."""
    import flag_gems

    generator = torch.Generator().manual_seed(3)
    lengths, width, values, page = [5, 64, 131], 576, 512, 64
    q = torch.randn(3, 1, heads, width, generator=generator).bfloat16()
    pages = torch.randn(9, page, 1, width, generator=generator).bfloat16()
    table = torch.tensor([[4, 8, 0], [2, 1, 3], [7, 5, 6]], dtype=torch.int32)
    sizes = torch.tensor(lengths, dtype=torch.int32)
    ours = flag_gems.flash_mla(
        *(q.flagos(), table.flagos(), pages.flagos(), 192, page, 3, 1, sizes.flagos(), heads, 1, width, values, True)
    )
    assert ours.shape == (3, 1, heads, values)
    for query, own, length, out in zip(q.float(), table, lengths, ours.cpu().float(), strict=True):
        keys = pages.float()[own].view(-1, width)[:length]
        expected = (query[0] @ keys.T / math.sqrt(width)).softmax(-1) @ keys[:, :values]
        torch.testing.assert_close(out[0], expected, rtol=2e-2, atol=2e-2)
