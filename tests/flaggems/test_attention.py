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


@pytest.mark.parametrize("head", [32, 128, 256])
def test_heads(head: int) -> None:
    ran = check(operands(torch.float32, head=head), gradient=True, is_causal=True, scale=0.05)
    assert ran[FORWARD] == ran[BACKWARD] == "flagos_python"


def test_heads_of_another_size_are_handed_on() -> None:
    assert check(operands(torch.float32, head=48))[FORWARD] == "cpu"


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
