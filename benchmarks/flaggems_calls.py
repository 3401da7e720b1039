"""Calls of operators that FlagGems serves, for the compilation of their kernels. `python -m benchmarks.flaggems_calls`
makes them and prints, as JSON, the milliseconds from each kernel's syntax tree to code that runs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch


def calls() -> list[Callable[[], object]]:
    import torch.nn.functional as f

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape).to("flagos")

    x, y, positive = random(64, 128), random(64, 128), random(64, 128).abs() + 0.1
    square, batch, row, mask = random(64, 64), random(4, 64, 64), random(128), random(64, 128) > 0
    whole, other = (torch.randint(1, 100, (64, 128)).to("flagos") for _ in range(2))
    index = torch.randint(0, 64, (32,)).to("flagos")
    picture, kernel = random(2, 8, 16, 16), random(8, 8, 3, 3)
    return [
        *each("abs neg exp sin cos tanh sigmoid relu isnan isinf isfinite erf logical_not", x),
        *each("log sqrt rsqrt reciprocal", positive),
        *each("add sub mul div maximum minimum eq ne lt le gt ge logical_and logical_or", x, y),
        *each("bitwise_and bitwise_or floor_divide remainder", whole, other),
        lambda: torch.pow(positive, 2.5),
        lambda: torch.pow(2.0, x),
        lambda: torch.where(mask, x, y),
        lambda: torch.clamp(x, -1.0, 1.0),
        lambda: x.masked_fill(mask, 0.0),
        lambda: f.gelu(x),
        lambda: f.silu(x),
        *each("sum mean amax argmax argmin softmax log_softmax cumsum sort prod", x, -1),
        *each("sum mean max min prod", x),
        lambda: torch.any(mask),
        lambda: torch.all(mask, -1),
        lambda: torch.topk(x, 5),
        lambda: torch.std(x, -1),
        lambda: torch.linalg.vector_norm(x, 2, -1),
        lambda: f.layer_norm(x, (128,), row, row),
        lambda: f.group_norm(picture, 4),
        lambda: f.cross_entropy(x, index.repeat(2)),
        lambda: f.embedding(index, x),
        lambda: torch.index_select(x, 0, index),
        lambda: torch.gather(x, 0, index[:, None].expand(32, 128)),
        lambda: torch.cat([x, y], 1),
        lambda: torch.stack([x, y]),
        lambda: torch.flip(x, (0,)),
        lambda: torch.tril(square),
        lambda: torch.triu(square),
        lambda: torch.arange(0, 100, device="flagos"),
        lambda: torch.full((64, 64), 2.0, device="flagos"),
        lambda: torch.rand(64, 64, device="flagos"),
        lambda: torch.mm(square, square),
        lambda: torch.bmm(batch, batch),
        lambda: torch.addmm(row[:64], square, square),
        lambda: torch.mv(square, row[:64]),
        lambda: torch.outer(row, row),
        lambda: f.conv2d(picture, kernel),
        lambda: torch.mm(square.bfloat16(), square.bfloat16()),
    ]


def each(names: str, *operands: Any) -> list[Callable[[], object]]:
    return [partial(getattr(torch, name), *operands) for name in names.split()]


def main() -> None:
    import torch_fl  # noqa: F401
    import triton
    from flagos.triton import image, native

    milliseconds: list[float] = []

    def measured(*, metadata: dict[str, Any], metadata_group: dict[str, str], times: Any, **_: Any) -> None:
        (file,) = (path for name, path in metadata_group.items() if name.endswith(".flk"))
        data = Path(file).read_bytes()
        started = time.perf_counter()
        code = image.read(data)
        native.load_kernel(metadata["name"], code.symbol, code.object, native.host_device())
        milliseconds.append(times.total / 1e3 + (time.perf_counter() - started) * 1e3)

    triton.knobs.compilation.listener = measured
    for call in calls():
        call()
    print(json.dumps(milliseconds))


if __name__ == "__main__":
    main()
