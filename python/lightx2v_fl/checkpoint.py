"""Tensors of a checkpoint as LightX2V names and stores them: names of blocks, lazy files, pinned copies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch

from lightx2v_fl.errors import missing

_INDEX = re.compile(r"\.\d+")


def of_block(name: str, block: int) -> str:
    """The name with its first index replaced: ("blocks.0.ffn.0.weight", 3) -> "blocks.3.ffn.0.weight"."""
    return _INDEX.sub(f".{block}", name, count=1)


def lazy_file(path: str, name: str) -> Path:
    """The file that holds a tensor: the file itself, or in a folder block_<i>.safetensors by the name's index."""
    place = Path(path)
    return place if place.is_file() else place / f"block_{name.split('.')[1]}.safetensors"


def read(operator: str, path: str, names: Iterable[str]) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of these names, on the CPU, from a .safetensors file or a folder of block files."""
    from safetensors import safe_open

    by_file: dict[Path, list[str]] = {}
    for name in names:
        by_file.setdefault(lazy_file(path, name), []).append(name)
    for file, wanted in by_file.items():
        with safe_open(str(file), framework="pt", device="cpu") as opened:
            there = set(opened.keys())
            for name in wanted:
                if name not in there:
                    raise missing(operator, name, str(file))
                yield name, opened.get_tensor(name)


def pinned(tensor: torch.Tensor, transposed: bool = False) -> torch.Tensor:
    """A copy in page-locked host memory, from which the device copies without waiting; seen transposed if asked."""
    copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor)
    return copy.t() if transposed else copy
