"""`flagos`: the linear operator without quantisation. y = x @ weight^T + bias, by the routed matrix product of the
device.

The weight is stored [out, in] in checkpoints and kept as its transposed view [in, out], which the framework expects.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lightx2v_fl import reporting
from lightx2v_fl.additions import LoraAdditions
from lightx2v_fl.errors import require, require_dtype, require_same_device

FLOATING = (torch.float32, torch.bfloat16, torch.float16)


class LinearBase(LoraAdditions):
    """Construction and checks that the plain and the quantised linear operators share."""

    def __init__(self, weight_name: str, bias_name: str | None = None, *args: Any, **kwargs: Any) -> None:
        known = ("create_cuda_buffer", "create_cpu_buffer", "lazy_load", "lazy_load_file", "is_post_adapter")
        known += ("lora_prefix", "lora_path")
        options = dict(zip(known, args, strict=False)) | {name: kwargs[name] for name in known if name in kwargs}
        super().__init__(weight_name, bias_name, **options)
        self._name_additions()

    def require_input(self, x: Tensor, width: int | None) -> None:
        """Raises unless x is floating and its last dimension is the weight's second."""
        if width is None:
            raise RuntimeError(
                f"{self.key}: '{self.weight_name}' has no weight on the device; expected load() and, for a block that "
                f"is offloaded, to_cuda() or load_state_dict() before apply()"
            )
        require_dtype(self.key, "x", x, FLOATING)
        require(
            x.dim() >= 1 and x.shape[-1] == width,
            self.key,
            "x",
            f"has shape {tuple(x.shape)}",
            f"a last dimension of {width}, the input width of '{self.weight_name}'",
        )

    def with_lora(self, y: Tensor, x: Tensor) -> Tensor:
        """y plus the low-rank product of x, for x and y of two dimensions."""
        return y + self.apply_lora(x) if self.has_lora_branch else y


class Linear(LinearBase):
    """x [..., in] -> [..., out] in x's dtype, which must be the weight's."""

    key = "flagos"

    def __init__(self, weight_name: str, bias_name: str | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(weight_name, bias_name, *args, **kwargs)
        self.base_attrs = [(weight_name, "weight", True)]
        if bias_name is not None:
            self.base_attrs.append((bias_name, "bias", False))

    def lazy_dtype(self, attribute: str, stored: torch.dtype) -> torch.dtype:
        self._require_plain(attribute, stored)
        return super().lazy_dtype(attribute, stored)

    def _require_plain(self, attribute: str, dtype: torch.dtype) -> None:
        """TypeError for a tensor of a quantised checkpoint, whose numbers mean nothing without their scales."""
        if dtype not in FLOATING:
            raise TypeError(
                f"{self.key}: '{getattr(self, f'{attribute}_name')}' has dtype {str(dtype).removeprefix('torch.')}; "
                f"expected float32, bfloat16 or float16. A quantised checkpoint needs the dit_quant_scheme flagos-int8 "
                f"or flagos-fp8"
            )

    def check(self) -> None:
        for prefix, suffix in (("", ""), ("pin_", ""), ("", "_cuda_buffer")):
            weight = getattr(self, f"{prefix}weight{suffix}", None)
            bias = getattr(self, f"{prefix}bias{suffix}", None)
            if weight is None:
                continue
            self._require_plain("weight", weight.dtype)
            require(
                weight.dim() == 2, self.key, f"'{self.weight_name}'", f"has shape {tuple(weight.shape)}", "[out, in]"
            )
            if bias is not None:
                require(
                    bias.shape == weight.shape[1:],
                    self.key,
                    f"'{self.bias_name}'",
                    f"has shape {tuple(bias.shape)}",
                    f"[{weight.shape[1]}], the output width of '{self.weight_name}'",
                )

    def apply(self, input_tensor: Tensor) -> Tensor:
        """The product, with differences and LoRA where they are registered."""
        weight = self.weight
        self.require_input(input_tensor, None if weight is None else weight.shape[0])
        require_dtype(self.key, "x", input_tensor, (weight.dtype,))  # type: ignore[union-attr]
        require_same_device(self.key, {"x": input_tensor, "weight": weight})
        x = input_tensor if input_tensor.dim() == 2 else input_tensor.reshape(-1, input_tensor.shape[-1])
        weight, bias = self._plus_diff("weight"), self._plus_diff("bias")
        y = torch.mm(x, weight) if bias is None else torch.addmm(bias, x, weight)
        reporting.count(self.key, "torch", "the routed matrix product of the device", {})
        y = self.with_lora(y, x)
        return y if input_tensor.dim() == 2 else y.view(*input_tensor.shape[:-1], y.shape[-1])

    def _get_actual_weight(self) -> Tensor | None:
        """The weight with its difference, [in, out]; the framework fuses layers by it."""
        return self._plus_diff("weight")

    def _get_actual_bias(self, bias: Tensor | None = None) -> Tensor | None:
        if bias is None:
            return self._plus_diff("bias")
        diff = getattr(self, "bias_diff", None)
        return bias if diff is None else bias + diff
