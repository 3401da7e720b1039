"""flagos_rms_norm and flagos_layer_norm against the formulas in fp64, and how they are built and loaded."""

from __future__ import annotations

import pytest
import torch
from lightx2v_fl.kernels.normalisation import layer_norm, rms_norm
from lightx2v_fl.kernels.supply import only
from lightx2v_fl.ops.layer_norm import LayerNorm
from lightx2v_fl.ops.rms_norm import RmsNorm
from torch import Tensor
from torch.nn import functional as F

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def rms(x: Tensor, weight: Tensor | None, eps: float) -> Tensor:
    x = x.cpu().double()
    y = x / torch.sqrt(x.square().mean(-1, keepdim=True) + eps)
    return y if weight is None else y * weight.cpu().double()


def layer(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    x = x.cpu().double()
    y = (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + eps)
    y = y if weight is None else y * weight.cpu().double()
    return y if bias is None else y + bias.cpu().double()


def assert_rounded_once(ours: Tensor, exact: Tensor) -> None:
    """Within one step of the dtype of the exact value."""
    step = torch.finfo(ours.dtype).eps * exact.abs().clamp(min=torch.finfo(ours.dtype).tiny)
    error = (ours.cpu().double() - exact).abs()
    assert (error <= step + (5e-6 if ours.dtype == torch.float32 else 1e-6)).all(), (error - step).max()


def loaded(operator: type, names: dict[str, Tensor], *args: object, **kwargs: object) -> object:
    made = operator(*names, *args, **kwargs)
    made.load(dict(names))
    return made


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(7, 64), (5, 3, 24), (2, 5, 3, 130), (1, 1536), (0, 64), (3, 1)])
def test_rms(supplier: str, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    weight = (1 + torch.randn(shape[-1])).to(dtype).to("flagos")
    x = torch.randn(shape).to(dtype).to("flagos")
    y = loaded(RmsNorm, {"blocks.0.norm.weight": weight}, eps=1e-3).apply(x)  # type: ignore[attr-defined]
    assert (y.shape, y.dtype, y.device.type) == (x.shape, dtype, "flagos")
    assert_rounded_once(y, rms(x, weight, 1e-3))


@pytest.mark.skipif(
    not torch.ops.flagos.transformer_code_path().startswith("x86-64"),
    reason="the kernels follow PyTorch's x86-64-v3 ones, which fuse products; this code path cannot",
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("width", [8, 64, 100, 1280, 1536, 5120, 40000])
def test_norms_round_as_pytorch_does(dtype: torch.dtype, width: int) -> None:
    x = (1 + 3 * torch.randn(37, width)).to(dtype)
    weight, bias = (1 + torch.randn(width)).to(dtype), torch.randn(width).to(dtype)
    with only("native"):
        assert torch.equal(rms_norm(x, weight, 1e-6, dtype), F.rms_norm(x, (width,), weight, 1e-6))
        for affine in ((None, None), (weight, None), (weight, bias)):
            assert torch.equal(layer_norm(x, *affine, 1e-6, dtype), F.layer_norm(x, (width,), *affine, 1e-6))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(7, 64), (2, 5, 130), (1, 1536), (0, 64)])
@pytest.mark.parametrize("affine", [False, True])
def test_layer(supplier: str, dtype: torch.dtype, shape: tuple[int, ...], affine: bool) -> None:
    x = (3 + torch.randn(shape)).to(dtype).to("flagos")
    weight = (1 + torch.randn(shape[-1])).to(dtype).to("flagos") if affine else None
    bias = torch.randn(shape[-1]).to(dtype).to("flagos") if affine else None
    norm = loaded(LayerNorm, {"b.0.norm.weight": weight, "b.0.norm.bias": bias}) if affine else LayerNorm()
    y = norm.apply(x)  # type: ignore[attr-defined]
    assert_rounded_once(y, layer(x, weight, bias, 1e-6))
    before = x.clone()
    y.mul_(2).add_(1)
    assert torch.equal(x, before)


def test_rows_that_are_not_contiguous(supplier: str) -> None:
    wide = torch.randn(9, 128, device="flagos")
    assert_rounded_once(RmsNorm(None).apply(wide[:, :64]), rms(wide[:, :64], None, 1e-6))
    assert_rounded_once(LayerNorm().apply(wide.t()), layer(wide.t(), None, None, 1e-6))


def test_a_large_mean_does_not_cancel(supplier: str) -> None:
    x = (1000 + torch.randn(4, 512)).to("flagos")
    error = (LayerNorm().apply(x).cpu().double() - layer(x, None, None, 1e-6)).abs().max()
    assert error < 2e-3


def test_the_sensitive_dtype_gives_activations_in_theirs(supplier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSITIVE_LAYER_DTYPE", "FP32")
    weight = torch.randn(32, device="flagos")
    for x in (torch.randn(4, 32, device="flagos"), torch.randn(4, 32).bfloat16().to("flagos")):
        assert loaded(RmsNorm, {"n.0.weight": weight}).apply(x).dtype == torch.bfloat16  # type: ignore[attr-defined]
        assert LayerNorm().apply(x).dtype == torch.bfloat16


@pytest.mark.parametrize("norm", [RmsNorm, LayerNorm])
def test_constructors_of_all_models(norm: type) -> None:
    weighted = [("n.0.weight",), ("n.0.weight", False, False)] if norm is RmsNorm else [("n.0.weight", "n.0.bias"), ()]
    for args in weighted:
        norm(*args, lora_prefix="blocks", lora_path="x.safetensors")
        norm(*args, eps=1e-5, is_post_adapter=False, lazy_load=False, lazy_load_file=None, some_new_option=1)
    unweighted = norm(weight_name=None, create_cuda_buffer=True)
    unweighted.load({})
    unweighted.load_state_dict({}, 3)
    unweighted.load_state_dict_from_disk(3)
    assert unweighted.weight is None
    assert unweighted.state_dict() == {}


@pytest.mark.parametrize(
    ("width", "dtype", "error", "words"),
    [
        (24, torch.float32, ValueError, r"flagos_rms_norm: x has shape \(4, 24\); expected a last dimension of 32"),
        (32, torch.int32, TypeError, "flagos_rms_norm: x has dtype int32; expected float32 or bfloat16 or float16"),
    ],
)
def test_bad_input_is_named(width: int, dtype: torch.dtype, error: type[Exception], words: str) -> None:
    norm = loaded(RmsNorm, {"n.0.weight": torch.ones(32, device="flagos")})
    with pytest.raises(error, match=words):
        norm.apply(torch.ones(4, width, dtype=dtype, device="flagos"))  # type: ignore[attr-defined]


def test_a_missing_weight_is_named() -> None:
    with pytest.raises(KeyError, match=r"flagos_layer_norm: there is no tensor 'n\.0\.bias' in the checkpoint"):
        LayerNorm("n.0.weight", "n.0.bias").load({"n.0.weight": torch.ones(4, device="flagos")})
    norm = RmsNorm("n.0.weight")
    with pytest.raises(RuntimeError, match=r"'n\.0\.weight' is not on the device"):
        norm.apply(torch.ones(2, 4, device="flagos"))
