"""The device library as kernels see it on this backend: the stock names, for 16-bit floats and mixed operands too.

Stock Triton's functions know float32 and float64 alone, and refuse a kernel that gives them float16, bfloat16,
integers, or an integer beside a float. Here such operands are widened, the function is computed in float32 and the
result rounded once, as the arithmetic operators of tile IR do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from triton.language import core
from triton.language.extra.cuda import libdevice as stock


def _widened(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, _semantic: Any = None) -> Any:
        try:
            return function(*args, _semantic=_semantic)
        except KeyError:  # no symbol for these types
            operands = [_semantic.to_tensor(arg) for arg in args]
        floats = {operand.dtype.scalar for operand in operands if operand.dtype.scalar.is_floating()}
        wide = core.float64 if core.float64 in floats else core.float32
        result = function(*(_semantic.cast(operand, wide) for operand in operands), _semantic=_semantic)
        # The type of the operands, when they agree on one; a predicate keeps its own.
        narrow = floats.pop() if len(floats) == 1 else wide
        return _semantic.cast(result, narrow) if result.dtype.scalar == wide else result

    return call


for _name, _function in vars(stock).items():
    if core.is_builtin(_function):
        globals()[_name] = _widened(_function)
