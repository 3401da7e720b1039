"""Random numbers, 16 M elements: our engine against the CPU's, and our two threads against our one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch_fl  # noqa: F401  (the device, also beside another accelerator)

from .measure import Ratio, ratio

COUNT = 1 << 24
KINDS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], float]] = {
    "rand": (torch.rand_like, 0.35),
    "randn": (torch.randn_like, 0.4),
    "dropout": (lambda x: torch.nn.functional.dropout(x, 0.1), 0.2),
}


def run(pairs: int) -> Iterator[Ratio]:
    operands = {device: torch.ones(COUNT, device=device) for device in ("cpu", "flagos")}
    torch.set_num_threads(1)
    for name, (draw, limit) in KINDS.items():
        yield ratio(
            f"{name}, 16 M, 1 thread",
            lambda draw=draw: draw(operands["flagos"]),
            lambda draw=draw: draw(operands["cpu"]),
            calls=1,
            pairs=pairs,
            limit=limit,
        )

    def with_threads(count: int, draw: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        torch.set_num_threads(count)
        return draw(operands["flagos"])

    for name, (draw, _) in KINDS.items():
        yield ratio(
            f"{name}, 16 M, 2 threads",
            lambda draw=draw: with_threads(2, draw),
            lambda draw=draw: with_threads(1, draw),
            calls=1,
            pairs=pairs,
            limit=0.65,
            against="flagos on 1 thread",
        )
    torch.set_num_threads(1)
