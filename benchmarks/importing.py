"""What `import torch_fl` adds to `import torch`, in fresh processes that run in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

LIMIT_MS = 150.0


def run(pairs: int) -> Iterator[dict[str, Any]]:
    """Medians in milliseconds over `pairs` pairs; `extra_ms` is the median of the differences within the pairs."""
    torch_alone, with_ours = [], []
    for _ in range(pairs):
        torch_alone.append(_milliseconds("import torch"))
        with_ours.append(_milliseconds("import torch, torch_fl"))
    extra = sorted(ours - alone for ours, alone in zip(with_ours, torch_alone, strict=True))
    yield {
        "name": "import torch_fl",
        "torch_ms": statistics.median(torch_alone),
        "both_ms": statistics.median(with_ours),
        "extra_ms": statistics.median(extra),
        "limit_ms": LIMIT_MS,
        "within": statistics.median(extra) <= LIMIT_MS,
    }


def show(result: dict[str, Any]) -> str:
    return (
        f"{result['name']:34} {result['extra_ms']:7.1f} ms over torch's {result['torch_ms']:.0f} ms"
        f"  <= {result['limit_ms']:g} ms  {'ok' if result['within'] else 'OVER'}"
    )


def _milliseconds(program: str) -> float:
    # Without autoload, so that `import torch` is PyTorch alone.
    environment = {**os.environ, "TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    return (time.perf_counter() - started) * 1e3
