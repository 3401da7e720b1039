"""`flagos_layer_norm`: layer normalisation over the last dimension, in fp32 and rounded once.

The result is always a fresh tensor: the framework modulates it in place.
"""

from __future__ import annotations

from torch import Tensor

from lightx2v_fl.kernels import normalisation
from lightx2v_fl.ops.rms_norm import NormBase


class LayerNorm(NormBase):
    """x [..., width] -> the same shape. Weight and bias by name, either or both or none."""

    key = "flagos_layer_norm"

    def apply(self, input_tensor: Tensor) -> Tensor:
        """(x - mean) / sqrt(variance + eps) * weight + bias."""
        self.require_input(input_tensor)
        weight, bias = self._plus_diff("weight"), self._plus_diff("bias")
        return normalisation.layer_norm(input_tensor, weight, bias, self.eps, self.result_dtype(input_tensor))

    def _get_actual_bias(self) -> Tensor | None:
        return self._plus_diff("bias")
