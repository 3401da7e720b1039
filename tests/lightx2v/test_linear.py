"""The linear operators, plain and quantised: products against the formulas, the five load modes, LoRA, bad input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightx2v_fl.kernels.supply import only
from lightx2v_fl.ops.layer_norm import LayerNorm
from lightx2v_fl.ops.linear import Linear
from lightx2v_fl.ops.quantized_linear import Fp8Linear, Int8Linear, QuantisedLinear
from lightx2v_fl.ops.rms_norm import RmsNorm
from safetensors.torch import save_file
from torch import Tensor

W, B, SCALE = "blocks.0.ffn.0.weight", "blocks.0.ffn.0.bias", "blocks.0.ffn.0.weight_scale"
OUT, IN = 40, 24
QUANTISED = [(Int8Linear, torch.int8, 127.0), (Fp8Linear, torch.float8_e4m3fn, 448.0)]


def quantise(weight: Tensor, dtype: torch.dtype, qmax: float) -> tuple[Tensor, Tensor]:
    scale = weight.abs().amax(1, keepdim=True).clamp(min=1e-5) / qmax
    quotient = (weight / scale).clamp(-qmax, qmax)
    return (quotient.round() if dtype == torch.int8 else quotient).to(dtype), scale


def formula(x: Tensor, wq: Tensor, scale: Tensor, bias: Tensor | None, qmax: float) -> Tensor:
    """W8A8 with dynamic scales a row, in fp64 but for the quantisation itself."""
    x = x.cpu().float()
    peak = x.abs().amax(-1, keepdim=True)
    sx = torch.where(peak > 0, peak / qmax, torch.ones_like(peak))
    quotient = (x / sx).clamp(-qmax, qmax)
    xq = quotient.round() if wq.dtype == torch.int8 else quotient.to(wq.dtype)
    y = xq.double() @ wq.cpu().double().t() * sx.double() * scale.cpu().double().reshape(1, -1)
    return y if bias is None else y + bias.cpu().double()


def block(index: int, dtype: torch.dtype = torch.bfloat16) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(index)
    name = W.replace(".0.", f".{index}.", 1)
    return {
        name: torch.randn(OUT, IN, generator=generator).to(dtype),
        name.replace("weight", "bias"): torch.randn(OUT, generator=generator).to(dtype),
    }


def on_device(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.to("flagos") for name, tensor in weights.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(7, IN), (1, 5, IN), (2, 3, 5, IN), (0, IN)])
@pytest.mark.parametrize("bias", [True, False])
def test_product(dtype: torch.dtype, shape: tuple[int, ...], bias: bool) -> None:
    weights = block(0, dtype)
    operator = Linear(W, B if bias else None)
    operator.load(on_device(weights))
    x = torch.randn(shape).to(dtype)
    y = operator.apply(x.to("flagos"))
    exact = x.double() @ weights[W].double().t() + (weights[B].double() if bias else 0)
    assert (y.shape, y.dtype) == ((*shape[:-1], OUT), dtype)
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 4e-2, torch.float16: 4e-3}[dtype]
    assert torch.allclose(y.cpu().double(), exact, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("operator", "dtype", "qmax"), QUANTISED)
@pytest.mark.parametrize("x_dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("form", ["[N,1] fp32", "[N] bf16", "scalar"])
def test_quantised_product(
    supplier: str, operator: type[QuantisedLinear], dtype: torch.dtype, qmax: float, x_dtype: torch.dtype, form: str
) -> None:
    if supplier == "native" and operator is Fp8Linear:
        pytest.skip("fp8 has no own kernel: PyTorch's operators serve it")
    if supplier == "native" and torch.ops.flagos.int8_linear_absent():
        pytest.skip(torch.ops.flagos.int8_linear_absent())
    wq, scale = quantise(torch.randn(OUT, IN), dtype, qmax)
    scale = {"[N,1] fp32": scale, "[N] bf16": scale.flatten().bfloat16(), "scalar": scale.max()}[form]
    bias = torch.randn(OUT).to(x_dtype)
    made = operator(W, B)
    made.load(on_device({W: wq, SCALE: scale, B: bias}))
    x = torch.randn(9, IN).to(x_dtype)
    x[3] = 0  # a row of zeros
    x[4] *= 1000  # and one that fp16 could not hold squared
    y = made.apply(x.to("flagos"))
    exact = formula(x, wq, scale.expand(OUT) if scale.dim() == 0 else scale, bias, qmax)
    assert y.dtype == x_dtype
    assert y.isfinite().all()
    error = (y.cpu().double() - exact).norm() / exact.norm()
    assert error < {torch.float32: 1e-6, torch.bfloat16: 6e-3, torch.float16: 1e-3}[x_dtype], error
    assert torch.allclose(y[3].cpu().float(), bias.float())


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("inputs", [1, 3, 64, 66, 2049, 5000])
def test_own_int8_kernel_equals_pytorchs_exactly(rows: int, inputs: int) -> None:
    if torch.ops.flagos.int8_linear_absent():
        pytest.skip(torch.ops.flagos.int8_linear_absent())
    made = Int8Linear(W, None)
    weights = torch.randint(-128, 128, (197, inputs), dtype=torch.int8)
    made.load(on_device({W: weights, SCALE: torch.rand(197, 1)}))
    x = torch.randn(rows, inputs, device="flagos")
    with only("native"):
        ours = made.apply(x)
    with only("torch"):
        theirs = made.apply(x)
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_row_that_is_not_finite_gives_nan_and_spares_the_others(supplier: str, bad: float) -> None:
    if supplier == "native" and torch.ops.flagos.int8_linear_absent():
        pytest.skip(torch.ops.flagos.int8_linear_absent())
    made = Int8Linear(W, None)
    made.load(on_device({W: torch.randint(-128, 128, (OUT, 200), dtype=torch.int8), SCALE: torch.rand(OUT, 1)}))
    x = torch.randn(5, 200)
    x[2, 77] = bad
    y = made.apply(x.to("flagos")).cpu()
    assert y[2].isnan().all()
    assert y[[0, 1, 3, 4]].isfinite().all()


@pytest.mark.parametrize(("operator", "dtype", "qmax"), QUANTISED)
def test_a_floating_weight_is_quantised_on_demand(
    operator: type[QuantisedLinear], dtype: torch.dtype, qmax: float
) -> None:
    weights = on_device(block(0))
    made = operator(W, B)
    made.set_config({"weight_auto_quant": True})
    made.load_func(weights)
    wq, scale = quantise(weights[W].cpu().float(), dtype, qmax)
    assert torch.equal(made.weight.t().cpu().float(), wq.float())
    assert torch.equal(made.weight_scale.cpu(), scale)
    dense = made._get_actual_weight()
    assert (dense.shape, dense.dtype) == ((IN, OUT), torch.bfloat16)
    assert torch.allclose(dense.t().cpu().float(), weights[W].cpu().float(), atol=0.3, rtol=0.1)


# ---- Load modes ----


def tensors_of(operator: Callable[..., Any], index: int) -> dict[str, Tensor]:
    """What a checkpoint has for this operator in block `index`."""
    plain = block(index)
    name = W.replace(".0.", f".{index}.", 1)
    if operator in (Int8Linear, Fp8Linear):
        _, dtype, qmax = next(row for row in QUANTISED if row[0] is operator)
        wq, scale = quantise(plain[name].float(), dtype, qmax)
        return {**plain, name: wq, name.replace("weight", "weight_scale"): scale}
    if operator in (RmsNorm, LayerNorm):
        bias = name.replace("weight", "bias")
        return {name: plain[name][:, 0].contiguous()} | ({bias: plain[bias]} if operator is LayerNorm else {})
    return plain


def build(operator: Callable[..., Any], index: int = 0, **flags: Any) -> Any:
    name = W.replace(".0.", f".{index}.", 1)
    return operator(name, **flags) if operator is RmsNorm else operator(name, name.replace("weight", "bias"), **flags)


def answer(made: Any) -> Tensor:
    width = OUT if isinstance(made, RmsNorm | LayerNorm) else IN
    return made.apply(torch.linspace(-2, 2, 3 * width).reshape(3, width).bfloat16().to("flagos"))


OPERATORS = [Linear, Int8Linear, Fp8Linear, RmsNorm, LayerNorm]


@pytest.mark.parametrize("operator", OPERATORS)
def test_offload_consumes_entries_and_moves_there_and_back(operator: type) -> None:
    resident = build(operator)
    resident.load(on_device(tensors_of(operator, 0)))
    entries = tensors_of(operator, 0)
    made = build(operator)
    made.load(entries)
    assert entries == {}
    assert made.weight is None
    assert made.pin_weight.is_pinned()
    for _ in range(2):
        made.to_cuda(non_blocking=True)
        assert torch.equal(answer(made), answer(resident))
        made.to_cpu()
        assert made.weight.device.type == "cpu"
    # A resident one goes there and back as well.
    expected = answer(resident)
    resident.to_cpu()
    assert resident.weight.device.type == "cpu"
    resident.to_cuda()
    assert torch.equal(answer(resident), expected)


@pytest.mark.parametrize("operator", OPERATORS)
def test_device_buffer_takes_block_after_block(operator: type) -> None:
    blocks = {}
    for index in range(3):
        entries = tensors_of(operator, index)
        source = build(operator, index)
        source.load(entries)
        source.state_dict(blocks)
    entries = tensors_of(operator, 0)
    before = dict(entries)
    buffer = build(operator, create_cuda_buffer=True)
    buffer.load(entries)
    assert entries == before  # not consumed
    for index in (0, 2, 1):
        resident = build(operator, index)
        resident.load(on_device(tensors_of(operator, index)))
        buffer.load_state_dict(blocks, index)
        assert torch.equal(answer(buffer), answer(resident))
    buffer.load_state_dict({}, 1)
    assert buffer.weight is None


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("folder", [False, True], ids=["one file", "a file a block"])
def test_lazy_weights(operator: type, folder: bool, tmp_path: Path) -> None:
    every = {name: t for index in range(3) for name, t in tensors_of(operator, index).items()}
    if folder:
        for index in range(3):
            save_file(tensors_of(operator, index), tmp_path / f"block_{index}.safetensors")
    else:
        save_file(every, tmp_path / "all.safetensors")
    place = str(tmp_path if folder else tmp_path / "all.safetensors")
    placeholder = build(operator, 1, lazy_load=True, lazy_load_file=place)
    placeholder.load({})
    assert placeholder.weight is None
    host = build(operator, 0, create_cpu_buffer=True, lazy_load=True, lazy_load_file=place)
    host.load({})
    assert host.pin_weight.is_pinned()
    device = build(operator, 0, create_cuda_buffer=True, lazy_load=True, lazy_load_file=place)
    device.load({})
    for index in (0, 2, 1):
        host.load_state_dict_from_disk(index)
        assert host.weight_name == W.replace(".0.", f".{index}.", 1)
        device.load_state_dict(host.state_dict(), index)
        resident = build(operator, index)
        resident.load(on_device(tensors_of(operator, index)))
        assert torch.equal(answer(device), answer(resident))


def test_an_adapters_blocks_have_an_index_of_their_own(tmp_path: Path) -> None:
    save_file({**block(0), **block(5)}, tmp_path / "all.safetensors")
    flags = {"lazy_load": True, "lazy_load_file": str(tmp_path / "all.safetensors"), "is_post_adapter": True}
    host = build(Linear, create_cpu_buffer=True, **flags)
    host.load({})
    host.load_state_dict_from_disk(1, 5)
    assert torch.equal(host.pin_weight.t(), block(5)[W.replace(".0.", ".5.", 1)])
    with pytest.raises(ValueError, match="expected adapter_block_index, got None"):
        host.load_state_dict_from_disk(1)


# ---- Additions ----


def lora(index: int = 0, rank: int = 4, alpha: float | None = 2.0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(100 + index + rank)
    base = f"diffusion_model.blocks.{index}.ffn.0"
    tensors = {
        f"{base}.lora_down.weight": torch.randn(rank, IN, generator=generator).bfloat16(),
        f"{base}.lora_up.weight": torch.randn(OUT, rank, generator=generator).bfloat16(),
    }
    return tensors if alpha is None else {**tensors, f"{base}.alpha": torch.tensor(alpha).bfloat16()}


@pytest.mark.parametrize("operator", [Linear, Int8Linear, Fp8Linear])
@pytest.mark.parametrize("alpha", [2.0, None])
def test_lora_is_added_changed_and_removed(operator: type, alpha: float | None) -> None:
    made = build(operator, lora_prefix="diffusion_model.blocks")
    made.load(on_device(tensors_of(operator, 0)))
    bare = answer(made)
    x = torch.linspace(-2, 2, 3 * IN).reshape(3, IN).bfloat16()

    def expected(tensors: dict[str, Tensor], strength: float) -> Tensor:
        down, up = (t.float() for n, t in tensors.items() if "lora_" in n)
        scale = strength * (1.0 if alpha is None else alpha / down.shape[0])
        return bare.cpu().float() + scale * (x.float() @ down.t()) @ up.t()

    made.register_lora(lora(alpha=alpha), 0.5)
    assert made.has_lora_branch
    assert torch.allclose(answer(made).cpu().float(), expected(lora(alpha=alpha), 0.5), rtol=0.03, atol=0.5)
    made.update_lora(lora(rank=8, alpha=alpha), 1.0)  # of another rank
    assert torch.allclose(answer(made).cpu().float(), expected(lora(rank=8, alpha=alpha), 1.0), rtol=0.03, atol=0.5)
    made.remove_lora()
    assert torch.equal(answer(made), bare)


@pytest.mark.parametrize("operator", [Linear, Int8Linear])
def test_differences_are_added(operator: type) -> None:
    made = build(operator)
    made.load(on_device(tensors_of(operator, 0)))
    bare = answer(made)
    diff, diff_b = torch.randn(OUT, IN).bfloat16(), torch.randn(OUT).bfloat16()
    base = "diffusion_model.blocks.0.ffn.0"
    made.register_diff(on_device({f"{base}.diff": diff, f"{base}.diff_b": diff_b}))
    x = torch.linspace(-2, 2, 3 * IN).reshape(3, IN)
    expected = bare.cpu().float() + x.bfloat16().float() @ diff.float().t() + diff_b.float()
    assert torch.allclose(answer(made).cpu().float(), expected, rtol=0.03, atol=0.3)


def test_lora_travels_through_buffers_and_stops_where_a_block_has_none() -> None:
    blocks: dict[str, Tensor] = {}
    for index in range(2):
        source = build(Linear, index)
        source.load(tensors_of(Linear, index))
        source.register_lora(on_device(lora(1)), 0.25)
        source.state_dict(blocks)
    buffer = build(Linear, create_cuda_buffer=True)
    buffer.load(tensors_of(Linear, 0))
    for index in (0, 1, 0):
        resident = build(Linear, index)
        resident.load(on_device(tensors_of(Linear, index)))
        resident.register_lora(on_device(lora(1)), 0.25)
        buffer.load_state_dict(blocks, index)
        assert buffer.has_lora_branch == (index == 1)
        assert torch.equal(answer(buffer), answer(resident))


# ---- Bad input ----


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda o: o.apply(torch.zeros(3, 25, device="flagos")), ValueError, r"flagos: x .*\(3, 25\); .* of 24"),
        (lambda o: o.apply(torch.zeros(3, IN, device="flagos")), TypeError, "flagos: x .* float32; expected bfloat16"),
        (lambda o: o.apply(torch.zeros(3, IN).bfloat16()), ValueError, "on different devices .*expected one"),
        (lambda o: o.register_lora({next(iter(lora())): torch.zeros(4, IN)}), KeyError, "lora_up.weight' in the LoRA"),
        (lambda o: o.register_diff({"diffusion_model.blocks.0.ffn.0.diff": torch.zeros(3, 3)}), ValueError, "expected"),
    ],
)  # fmt: skip
def test_bad_input_is_named(make: Callable[[Any], Any], error: type[Exception], words: str) -> None:
    made = build(Linear)
    made.load(on_device(block(0)))
    with pytest.raises(error, match=words):
        make(made)


def test_bad_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match=r"flagos: there is no tensor 'blocks\.0\.ffn\.0\.bias' in the checkpoint"):
        Linear(W, B).load({W: torch.zeros(4, 4, device="flagos")})
    with pytest.raises(ValueError, match=r"flagos: 'blocks.0.ffn.0.bias' has shape \(3,\); expected \[4\]"):
        Linear(W, B).load(on_device({W: torch.zeros(4, 4), B: torch.zeros(3)}))
    quantised = {W: torch.zeros(4, 6, dtype=torch.int8), SCALE: torch.ones(6, 1), B: torch.zeros(4)}
    save_file(quantised, tmp_path / "quantised.safetensors")
    lazy = {"lazy_load": True, "lazy_load_file": str(tmp_path / "quantised.safetensors"), "create_cpu_buffer": True}
    for plain, given in ((Linear(W, B), on_device(quantised)), (Linear(W, B, **lazy), {})):
        with pytest.raises(TypeError, match=r"flagos: 'blocks.0.ffn.0.weight' has dtype int8; .* flagos-int8"):
            plain.load(given)
    with pytest.raises(
        ValueError, match=r"flagos-int8: '.*weight_scale' has shape \(6, 1\); expected \[4, 1\], \[4\] or"
    ):
        Int8Linear(W, B).load(on_device(quantised))
    with pytest.raises(TypeError, match=r"flagos-fp8: 'blocks.0.ffn.0.weight' has dtype int8; expected float8_e4m3fn"):
        Fp8Linear(W, B).load(on_device({**quantised, SCALE: torch.ones(4, 1)}))
    with pytest.raises(RuntimeError, match="has no weight on the device"):
        Linear(W, None).apply(torch.zeros(2, 2, device="flagos"))
    with pytest.raises(ValueError, match="to be read lazily"):
        Linear(W, None, create_cpu_buffer=True).load({})
