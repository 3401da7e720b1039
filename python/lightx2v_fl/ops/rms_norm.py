"""`flagos_rms_norm`: RMS normalisation over the last dimension, in fp32 from end to end and rounded once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lightx2v_fl.additions import DiffAdditions
from lightx2v_fl.errors import require, require_dtype, require_same_device
from lightx2v_fl.kernels import normalisation


class NormBase(DiffAdditions):
    """What the two norms share: the framework's options, by position or name; loading in the sensitive dtype; and the
    dtype of results.
    """

    def __init__(
        self,
        weight_name: str | None = None,
        bias_name: str | None = None,
        create_cuda_buffer: bool = False,
        create_cpu_buffer: bool = False,
        lazy_load: bool = False,
        lazy_load_file: str | None = None,
        is_post_adapter: bool = False,
        eps: float = 1e-6,
        lora_prefix: str = "diffusion_model.blocks",
        lora_path: str | None = "",
        **_: Any,
    ) -> None:
        super().__init__(
            weight_name,
            bias_name,
            create_cuda_buffer,
            create_cpu_buffer,
            lazy_load,
            lazy_load_file,
            is_post_adapter,
            lora_prefix,
            lora_path,
        )
        self.eps = eps
        if weight_name is not None:
            self.base_attrs.append((weight_name, "weight", False))
        if bias_name is not None:
            self.base_attrs.append((bias_name, "bias", False))
        self._name_additions()

    def lazy_dtype(self, attribute: str, stored: torch.dtype) -> torch.dtype:
        return self.sensitive_layer_dtype

    def require_input(self, x: Tensor) -> None:
        """Raises unless x is floating and as wide as the weight, if there is one."""
        require_dtype(self.key, "x", x, (torch.float32, torch.bfloat16, torch.float16))
        if self.weight_name is not None and self.weight is None:
            raise RuntimeError(
                f"{self.key}: '{self.weight_name}' is not on the device; expected load() and, for a block that is "
                f"offloaded, to_cuda() or load_state_dict() before apply()"
            )
        width = x.shape[-1] if x.dim() else 0
        for name, tensor in ((self.weight_name, self.weight), (self.bias_name, self.bias)):
            if tensor is not None:
                require(
                    tuple(tensor.shape) == (width,),
                    self.key,
                    "x",
                    f"has shape {tuple(x.shape)}",
                    f"a last dimension of {tensor.numel()}, the width of '{name}'",
                )
        require_same_device(self.key, {"x": x, "weight": self.weight, "bias": self.bias})

    def result_dtype(self, x: Tensor) -> torch.dtype:
        """x's, or that of activations where sensitive layers have a dtype of their own: attention and linears need
        it.
        """
        return x.dtype if self.sensitive_layer_dtype == self.infer_dtype else self.infer_dtype

    def _get_actual_weight(self) -> Tensor | None:
        return self._plus_diff("weight")


class RmsNorm(NormBase):
    """x [..., width] -> the same shape, fresh. Without a weight name: no weight."""

    key = "flagos_rms_norm"

    def __init__(self, weight_name: str | None, *options: Any, **named_options: Any) -> None:
        super().__init__(weight_name, None, *options, **named_options)

    def apply(self, input_tensor: Tensor) -> Tensor:
        """x / sqrt(mean(x^2) + eps) * weight."""
        self.require_input(input_tensor)
        weight = self._plus_diff("weight")
        return normalisation.rms_norm(input_tensor, weight, self.eps, self.result_dtype(input_tensor))
