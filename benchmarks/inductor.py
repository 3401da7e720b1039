"""torch.compile for cpu tensors: Inductor's Triton code through our backend against its C++ code, in processes of their
own with empty caches. The first call of each function is its cold compile; one thread, then the least of many calls.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

COMPILE_LIMIT, RUN_LIMIT = 0.5, 1.1


def run(rounds: int) -> list[dict[str, Any]]:
    """Geometric means over the functions of ours / C++: of the cold compiles and of the calls."""
    compiles: list[float] = []
    calls: list[float] = []
    each: dict[str, tuple[float, float]] = {}
    for _ in range(rounds):
        ours, rival = (_measured(backend) for backend in ("triton", "cpp"))
        for name in ours:
            each[name] = (ours[name][0] / rival[name][0], ours[name][1] / rival[name][1])
            compiles.append(each[name][0])
            calls.append(each[name][1])
    return [
        _figure("torch.compile, cold", compiles, COMPILE_LIMIT),
        _figure("compiled functions", calls, RUN_LIMIT, {name: round(pair[1], 3) for name, pair in each.items()}),
    ]


def show(figure: dict[str, Any]) -> str:
    return (
        f"{figure['name']:34} {figure['ratio']:7.3f}  [{figure['least']:.3f}, {figure['most']:.3f}] of Inductor's C++"
        f"  <= {figure['limit']:g}  {'ok' if figure['within'] else 'OVER'}  {figure['each'] or ''}"
    )


def _figure(name: str, ratios: list[float], limit: float, each: dict[str, float] | None = None) -> dict[str, Any]:
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    return {
        "name": name,
        "ratio": mean,
        "least": min(ratios),
        "most": max(ratios),
        "limit": limit,
        "within": mean <= limit,
        "each": each,
    }


def _measured(backend: str) -> dict[str, tuple[float, float]]:
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor",
            "TRITON_CACHE_DIR": f"{folder}/triton",
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "benchmarks.inductor", backend]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    import torch
    import torch._inductor.config
    from torch.nn import functional

    torch._inductor.config.cpu_backend = sys.argv[1]
    torch.set_num_threads(1)
    x, y = torch.randn(1024, 1024), torch.randn(1024, 1024)
    w, rows = torch.randn(1024), torch.randint(0, 1024, (1024,))
    functions: dict[str, tuple[Callable[..., object], tuple[object, ...]]] = {
        "warm up": (lambda a: a + 1, (x,)),
        "pointwise": (lambda a, b: torch.relu(a * b + 1) - b, (x, y)),
        "gelu": (lambda a: functional.gelu(a) * 2, (x,)),
        "exp and log": (lambda a: (a.exp() + 1).log(), (x,)),
        "sum of rows": (lambda a: a.sum(-1), (x,)),
        "sum of columns": (lambda a: a.sum(0), (x,)),
        "softmax": (lambda a: torch.softmax(a, -1), (x,)),
        "layer norm": (lambda a, b: functional.layer_norm(a, (1024,), b, b), (x, w)),
        "rms norm": (lambda a, b: functional.rms_norm(a, (1024,), b), (x, w)),
        "rows by index": (lambda a, i: a[i] * 2, (x, rows)),
        "transposed": (lambda a, b: a.T + b, (x, y)),
    }
    told = {}
    for name, (function, operands) in functions.items():
        torch._dynamo.reset()
        compiled = torch.compile(function)
        started = time.perf_counter()
        compiled(*operands)
        cold = time.perf_counter() - started
        least = math.inf
        for _ in range(100):
            started = time.perf_counter()
            compiled(*operands)
            least = min(least, time.perf_counter() - started)
        told[name] = (cold, least)
    del told["warm up"]
    print(json.dumps(told))


if __name__ == "__main__":
    main()
