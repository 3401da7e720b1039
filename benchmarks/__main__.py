"""`python -m benchmarks`: every figure that is promised, measured now on this machine. Runs in minutes; keep it idle.

Parts: operators, models, randoms, lightx2v, pointwise (Triton kernels), import, launch and compile (of Triton kernels),
inductor (its Triton code against its C++ code), routing (the C++ program of that name, where it is built).
Exit status 1 when a figure is over its limit and --check is given.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import compiling, importing, inductor, launches
from .measure import TITLE, Ratio, processor

PARTS = (
    "operators",
    "models",
    "randoms",
    "lightx2v",
    "pointwise",
    "import",
    "launch",
    "compile",
    "inductor",
    "routing",
)
ROOT = Path(__file__).resolve().parent.parent


def ratios(part: str, pairs: int, only: str) -> Iterator[Ratio]:
    import torch_fl  # noqa: F401

    from . import lightx2v, models, operators, randoms, triton_pointwise

    runs: dict[str, Callable[[int], Iterator[Ratio]]] = {
        "operators": operators.run,
        "models": models.run,
        "randoms": randoms.run,
        "lightx2v": lightx2v.run,
        "pointwise": lambda pairs: triton_pointwise.run(pairs, only),
    }
    return runs[part](pairs)


def routing(program: Path) -> dict[str, Any] | None:
    """What the core's own program says of a routed call, or None where it is not built."""
    if not program.exists():
        return None
    return json.loads(subprocess.run([program, "--json"], check=True, capture_output=True, text=True).stdout)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"some of: {', '.join(PARTS)} (default: all)")
    parser.add_argument("--pairs", type=int, default=31, help="pairs a figure (default 31)")
    parser.add_argument("--only", default="", help="of pointwise, the rows whose name holds this")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="where the C++ programs were built")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--check", action="store_true", help="exit status 1 when a figure is over its limit")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    told: dict[str, Any] = {"processor": processor(), "figures": []}

    def say(line: str) -> None:
        if not options.json:
            print(line, flush=True)

    say(f"{told['processor']}\nours = flagos, rival = cpu unless said otherwise; a ratio below 1 is faster\n{TITLE}")
    for part in options.parts or PARTS:
        if part == "import":
            result = importing.run(max(options.pairs // 3, 5))
            say(importing.show(result))
            told["figures"].append(result)
        elif part == "launch":
            for figure in launches.run(options.pairs):
                say(launches.show(figure))
                told["figures"].append(figure)
        elif part == "inductor":
            for figure in inductor.run(max(options.pairs // 10, 1)):
                say(inductor.show(figure))
                told["figures"].append(figure)
        elif part == "compile":
            for figure in compiling.run(max(options.pairs // 10, 1)):
                say(compiling.show(figure))
                told["figures"].append(figure)
        elif part == "routing":
            told["routing"] = routing(options.build / "bin" / "routing_bench")
            say(f"routing: {json.dumps(told['routing'])}" if told["routing"] else "routing: routing_bench is not built")
        else:
            for figure in ratios(part, options.pairs, options.only):
                say(str(figure))
                told["figures"].append(figure.to_json())
    if options.json:
        print(json.dumps(told, indent=1))
    over = [figure["name"] for figure in told["figures"] if not figure["within"]]
    return 1 if options.check and over else 0


if __name__ == "__main__":
    sys.exit(main())
