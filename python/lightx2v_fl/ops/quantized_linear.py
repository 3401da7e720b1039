"""`flagos-int8` and `flagos-fp8`: linear operators over weights quantised per output channel (W8A8).

A checkpoint has `<name>.weight` (int8 or float8_e4m3fn, [out, in]) and `<name>.weight_scale` ([out, 1], [out] or one
value, in bf16 or fp32). With {"weight_auto_quant": True} in the operator's config, a floating weight is quantised when
it is loaded: scale[n] = max|w[n, :]| / qmax.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from lightx2v_fl import framework
from lightx2v_fl.errors import missing, require, require_dtype, require_same_device
from lightx2v_fl.kernels import quantised_product
from lightx2v_fl.ops.linear import FLOATING, LinearBase
from lightx2v_fl.weights import Weights

_LEAST_PEAK = 1e-5  # of a channel, as the framework's converter has it


class QuantisedLinear(LinearBase):
    """x [..., in] floating -> [..., out] in x's dtype. Differences and LoRA are added in x's dtype."""

    dtype: ClassVar[torch.dtype]
    product: ClassVar[Callable[..., Tensor]]

    def __init__(self, weight_name: str, bias_name: str | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(weight_name, bias_name, *args, **kwargs)
        self.weight_scale_name = weight_name.removesuffix(".weight") + ".weight_scale"
        self.weight_scale: Tensor | None = None
        # Names that the framework reads on quantised operators. The weight is seen as [in, out]; load_func, after
        # set_config({"weight_auto_quant": True}), quantises a floating weight.
        self.weight_need_transpose = True
        self.load_func = self.load
        self.act_quant_func = self.quantise_activation
        self.base_attrs = [(weight_name, "weight", True), (self.weight_scale_name, "weight_scale", False)]
        if bias_name is not None:
            self.base_attrs.append((bias_name, "bias", False))

    def lazy_dtype(self, attribute: str, stored: torch.dtype) -> torch.dtype:
        return self.infer_dtype if attribute == "bias" else stored

    def load(self, weight_dict: Weights) -> None:
        """As every operator; with weight_auto_quant, from a floating weight."""
        if self.config.get("weight_auto_quant", False) and not self.lazy_load:
            weight_dict = self._quantised(weight_dict)
        super().load(weight_dict)

    def _quantised(self, weight_dict: Weights) -> Weights:
        """`weight_dict` with this operator's weight and scale made from its floating weight; the original is left."""
        weight = weight_dict.get(self.weight_name)  # type: ignore[arg-type]
        if weight is None:
            raise missing(self.key, str(self.weight_name), "the checkpoint")
        if weight.dtype == self.dtype:
            return weight_dict
        require_dtype(self.key, f"'{self.weight_name}'", weight, (*FLOATING, self.dtype))
        wide = weight.float()
        qmax = quantised_product.QMAX[self.dtype]
        scale = wide.abs().amax(dim=1, keepdim=True).clamp_(min=_LEAST_PEAK).div_(qmax)
        quotient = (wide / scale).clamp_(-qmax, qmax)
        quantised = (quotient.round_() if self.dtype == torch.int8 else quotient).to(self.dtype)
        added = {self.weight_name: quantised, self.weight_scale_name: scale}
        return {**weight_dict, **added}  # type: ignore[dict-item]

    def check(self) -> None:
        for prefix, suffix in (("", ""), ("pin_", ""), ("", "_cuda_buffer")):
            weight = getattr(self, f"{prefix}weight{suffix}", None)
            if weight is None:
                continue
            name = f"'{self.weight_name}'"
            require_dtype(self.key, name, weight, (self.dtype,))
            require(weight.dim() == 2, self.key, name, f"has shape {tuple(weight.shape)}", "[out, in]")
            width = weight.shape[1]
            scale = getattr(self, f"{prefix}weight_scale{suffix}", None)
            if scale is not None:
                require_dtype(self.key, f"'{self.weight_scale_name}'", scale, FLOATING)
                require(
                    tuple(scale.shape) in ((width, 1), (width,), (1, 1), (1,), ()),
                    self.key,
                    f"'{self.weight_scale_name}'",
                    f"has shape {tuple(scale.shape)}",
                    f"[{width}, 1], [{width}] or one value for {name} of {width} outputs (under tensor parallelism the "
                    f"scale is split with the weight's outputs)",
                )
            bias = getattr(self, f"{prefix}bias{suffix}", None)
            if bias is not None:
                require(
                    tuple(bias.shape) == (width,),
                    self.key,
                    f"'{self.bias_name}'",
                    f"has shape {tuple(bias.shape)}",
                    f"[{width}], the output width of {name}",
                )

    def apply(self, input_tensor: Tensor) -> Tensor:
        """The product with both sides in 8 bits, differences and LoRA in x's dtype beside it."""
        weight, scale = self.weight, self.weight_scale
        self.require_input(input_tensor, None if weight is None else weight.shape[0])
        if scale is None:
            raise RuntimeError(f"{self.key}: '{self.weight_name}' has no scale; expected '{self.weight_scale_name}'")
        require_same_device(self.key, {"x": input_tensor, "weight": weight, "weight_scale": scale})
        x = input_tensor if input_tensor.dim() == 2 else input_tensor.reshape(-1, input_tensor.shape[-1])
        outputs = weight.shape[1]  # type: ignore[union-attr]
        scale = scale.float().reshape(-1).expand(outputs)
        bias = self._plus_diff("bias")
        y = self.product(x, weight.t(), scale, None if bias is None else bias.float())  # type: ignore[union-attr]
        diff = getattr(self, "weight_diff", None)
        if diff is not None:
            y = y + torch.mm(x, diff.to(x.dtype))
        y = self.with_lora(y, x)
        return y if input_tensor.dim() == 2 else y.view(*input_tensor.shape[:-1], outputs)

    def quantise_activation(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [rows, in] as (8-bit, scale fp32 [rows, 1])."""
        return quantised_product.quantise_rows(x, self.dtype)

    def _get_actual_weight(self) -> Tensor | None:
        """The weight in the dtype of activations, [in, out]: for the framework's fusions, not for apply()."""
        if self.weight is None or self.weight_scale is None:
            return None
        dense = self.weight.to(torch.float32) * self.weight_scale.float().reshape(-1)
        diff = getattr(self, "weight_diff", None)
        return (dense if diff is None else dense + diff).to(framework.inference_dtype())

    def _get_actual_bias(self, bias: Tensor | None = None) -> Tensor | None:
        if bias is None:
            return self._plus_diff("bias")
        diff = getattr(self, "bias_diff", None)
        return bias if diff is None else bias + diff


class Int8Linear(QuantisedLinear):
    """Weights int8, sums int32."""

    key = "flagos-int8"
    dtype = torch.int8
    product = staticmethod(quantised_product.int8_linear)


class Fp8Linear(QuantisedLinear):
    """Weights float8_e4m3fn, sums fp32."""

    key = "flagos-fp8"
    dtype = torch.float8_e4m3fn
    product = staticmethod(quantised_product.fp8_linear)
