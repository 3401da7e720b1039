"""Says what would run for a call of an operator, why each other candidate would not, and where that is written.

flagos explain add.Tensor
flagos explain mm float32[4,8] float32[8,2]
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

NAME = "explain"
HELP = "what would run for a call of an operator, and why"

_OPERAND = re.compile(r"(\w+)(?:\[([\d, ]*)\])?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("operator", help='as conf files name it: "add.Tensor", "mm.out"')
    parser.add_argument("operands", nargs="*", help="tensors of the call: dtype and sizes, float32[2,3]")
    parser.add_argument("--driver", help="on devices of this driver; of the first device without it")
    parser.add_argument("--json", action="store_true", help="for machines")


def run(arguments: argparse.Namespace) -> int:
    import torch_fl

    tensors = [_tensor(text) for text in arguments.operands]
    explanation = torch_fl.routing.explain(arguments.operator, *tensors, driver=arguments.driver)
    print(json.dumps(asdict(explanation), indent=2) if arguments.json else explanation)
    return 0 if explanation.runs else 1


def _tensor(text: str) -> torch.Tensor:
    import torch

    match = _OPERAND.fullmatch(text)
    dtype = getattr(torch, match[1], None) if match else None
    if match is None or not isinstance(dtype, torch.dtype):
        raise ValueError(f"'{text}' is no tensor; write its dtype and sizes, such as float32[2,3]")
    sizes = [int(size) for size in (match[2] or "").replace(" ", "").split(",") if size]
    return torch.empty(sizes, dtype=dtype, device="flagos")
