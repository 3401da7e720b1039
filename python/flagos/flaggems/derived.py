"""Operators that FlagGems does not register, of functions that it has: in place, into an output, attention.

Optimizers and `_foreach_*` operators call the forms in place by the hundred. Each is FlagGems' own function, told where
to write.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch

from flagos.flaggems import attention


def _module(name: str) -> Any:
    return importlib.import_module(f"flag_gems.ops.{name}")


def _add_product_(self: torch.Tensor, tensor1: torch.Tensor, tensor2: torch.Tensor, *, value: Any = 1) -> torch.Tensor:
    return _module("addcmul").addcmul(self, tensor1, tensor2, value=value, out=self)


def _add_quotient_(self: torch.Tensor, tensor1: torch.Tensor, tensor2: torch.Tensor, *, value: Any = 1) -> torch.Tensor:
    return _module("addcdiv").addcdiv(self, tensor1, tensor2, value=value, out=self)


def _multiply_into(self: Any, other: Any, *, out: torch.Tensor) -> torch.Tensor:
    # Numbers come as such, and on either side.
    if not isinstance(self, torch.Tensor):
        self, other = other, self
    kernel = _module("mul").mul_func if isinstance(other, torch.Tensor) else _module("mul").mul_func_scalar
    if out.dtype != self.dtype:
        raise NotImplementedError("an output of another dtype")
    return kernel(self, other, out0=out)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "addcdiv_": _add_quotient_,
    "addcmul_": _add_product_,
    "mul.out": _multiply_into,
    **attention.FUNCTIONS,
}
