"""One operator at a time on one thread: what the device adds to a small call and saves on a large one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch_fl  # noqa: F401  (the device, also beside another accelerator)

from .measure import Ratio, ratio

LARGE = 1 << 24


def run(pairs: int) -> Iterator[Ratio]:
    """Small calls are timed 200 at a time, in many pairs: few of them are then met by a switch to another program."""
    small = {"cpu": torch.randn(16), "flagos": torch.randn(16).to("flagos")}
    square = {device: torch.randn(16, 16).to(device) for device in small}
    cases: list[tuple[str, dict[str, torch.Tensor], Callable[[torch.Tensor], torch.Tensor], float]] = [
        ("add, 16 floats", small, lambda x: x + x, 1.6),
        ("mm, 16 x 16", square, lambda x: torch.mm(x, x), 1.6),
        ("view", square, lambda x: x.view(256), 1.05),
        ("transpose", square, lambda x: x.transpose(0, 1), 1.05),
        ("slice", square, lambda x: x[2:9], 1.05),
    ]
    torch.set_num_threads(1)
    for name, operands, call, limit in cases:
        yield ratio(
            name,
            lambda x=operands["flagos"], call=call: call(x),
            lambda x=operands["cpu"], call=call: call(x),
            calls=200,
            pairs=20 * pairs + 1,
            limit=limit,
        )
    large = {device: torch.randn(LARGE).to(device) for device in small}
    yield ratio(
        "add, 16 M floats",
        lambda: large["flagos"] + large["flagos"],
        lambda: large["cpu"] + large["cpu"],
        calls=1,
        pairs=pairs,
        limit=0.4,
    )
