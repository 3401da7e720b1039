"""`flagos_layer_norm`: layer normalisation over the last dimension, in fp32 and rounded once.

The result is always a fresh tensor: the framework modulates it in place.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lightx2v_fl.kernels import normalisation
from lightx2v_fl.ops.rms_norm import NormBase


class LayerNorm(NormBase):
    """x [..., width] -> the same shape. Weight and bias by name, either or both or none."""

    key = "flagos_layer_norm"

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
            eps,
            create_cuda_buffer=create_cuda_buffer,
            create_cpu_buffer=create_cpu_buffer,
            lazy_load=lazy_load,
            lazy_load_file=lazy_load_file,
            is_post_adapter=is_post_adapter,
            lora_prefix=lora_prefix,
            lora_path=lora_path,
        )

    def apply(self, input_tensor: Tensor) -> Tensor:
        """(x - mean) / sqrt(variance + eps) * weight + bias."""
        self.require_input(input_tensor)
        weight, bias = self._plus_diff("weight"), self._plus_diff("bias")
        return normalisation.layer_norm(input_tensor, weight, bias, self.eps, self.result_dtype(input_tensor))

    def _get_actual_bias(self) -> Tensor | None:
        return self._plus_diff("bias")
