"""The calls of LightX2V's models, as data (call_shapes.json): constructors, shapes and keywords of thirteen of them.

What is computed is tested against formulas elsewhere; here every call must go through, give the shape and dtype that
the model goes on with, and the same with the own kernels as with PyTorch's operators.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lightx2v_fl.kernels.supply import only
from lightx2v_fl.registration import OPERATORS
from torch import Tensor

CALLS = json.loads((Path(__file__).parent / "call_shapes.json").read_text())


def value(spec: Any, freqs: Any = None) -> Any:
    """A recorded argument: a tensor, bounds of segments, the table, or itself."""
    if spec == "freqs":
        return freqs
    if isinstance(spec, dict) and "bounds" in spec:
        return torch.tensor(spec["bounds"], dtype=torch.int32, device=spec["on"])
    if isinstance(spec, dict) and "tensor" in spec:
        dtype = getattr(torch, spec["dtype"])
        if dtype == torch.bool:
            return (torch.rand(spec["tensor"]) > 0.3).to(spec["on"])
        return (
            torch.randn(spec["tensor"], dtype=torch.float32 if not dtype.is_complex else dtype).to(dtype).to(spec["on"])
        )
    return spec


def operator(row: dict[str, Any]) -> Any:
    _, _, module, name = OPERATORS[row["key"]]
    made = getattr(__import__(f"lightx2v_fl.ops.{module}", fromlist=[name]), name)
    built = row.get("constructor", {"args": [], "kwargs": {}})
    kwargs = dict(built["kwargs"])
    if "compute_dtype" in kwargs:
        kwargs["compute_dtype"] = getattr(torch, kwargs["compute_dtype"])
    return made(*built["args"], **kwargs)


@pytest.mark.parametrize("row", CALLS, ids=[f"{row['key']} {row['model']}" for row in CALLS])
def test_replay(row: dict[str, Any]) -> None:
    made = operator(row)
    names = ("b.0.norm.weight", "b.0.norm.bias")
    made.load({name: torch.randn(row.get("width", 1)).bfloat16().to("flagos") for name in names})
    freqs = row.get("freqs")
    if freqs is not None:
        freqs = tuple(map(value, freqs)) if isinstance(freqs, list) else value(freqs)
        freqs = made.prepare_freqs(freqs, **row["prepare"])
        assert made.prepare_positions(freqs) is None
    for call in row["calls"]:
        args = [value(arg, freqs) for arg in call["args"]]
        kwargs = {name: value(arg) for name, arg in call["kwargs"].items()}
        results = []
        for supplier in ("native", "torch"):
            with only(supplier, "torch"):
                results.append(getattr(made, call["method"])(*args, **kwargs))
        first = args[0] if args else kwargs["q"]
        for ours, theirs, source in zip(*map(as_tuple, results), args if len(args) == 3 else [first], strict=False):
            rows = first.shape[:-2].numel() if row["key"] == "flagos_flash_attn" else None
            assert ours.shape == (source.shape if rows is None else (rows, first.shape[-2:].numel()))
            assert ours.dtype == source.dtype
            assert torch.allclose(ours.cpu().float(), theirs.cpu().float(), atol=2e-2, rtol=2e-2)


def as_tuple(result: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return result if isinstance(result, tuple) else (result,)
