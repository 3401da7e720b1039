"""`python -m benchmarks`: every figure that is promised, measured now on this machine. Runs in minutes; keep it idle.

Exit status 1 when a figure is over its limit and --check is given.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .measure import TITLE, processor

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Part:
    """A module with `run`, whose arguments are made of the options. What it yields are Ratios; a module with `show`
    yields dictionaries, each with "name" and "within".
    """

    module: str
    about: str
    arguments: Callable[[argparse.Namespace], tuple[Any, ...]] = lambda options: (options.pairs,)


def _selected(options: argparse.Namespace) -> tuple[Any, ...]:
    return max(options.pairs // 3, 5), options.only


def _rounds(options: argparse.Namespace) -> tuple[Any, ...]:
    return (max(options.pairs // 10, 1),)


PARTS = {
    "operators": Part("operators", "single operators"),
    "models": Part("models", "whole models"),
    "randoms": Part("randoms", "random numbers"),
    "lightx2v": Part("lightx2v", "the plugin's operators against the framework's"),
    "pointwise": Part("triton_pointwise", "Triton kernels: pointwise, transposed, indexed", _selected),
    "rows": Part("triton_rows", "Triton kernels: softmax, norms, reductions, scans", _selected),
    "products": Part("products", "Triton kernels: products, attention", _selected),
    "import": Part("importing", "what the import adds", lambda options: (max(options.pairs // 3, 5),)),
    "launch": Part("launches", "a launch of a Triton kernel"),
    "compile": Part("compiling", "the compilation of Triton kernels", _rounds),
    "inductor": Part("inductor", "Inductor's Triton code against its C++ code", _rounds),
    "routing": Part("routing", "a routed call in the core alone", lambda options: (options.build,)),
}


def figures(name: str, options: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each figure of a part as a line and as JSON, as soon as it is measured."""
    part = PARTS[name]
    module = importlib.import_module(f".{part.module}", __package__)
    show = getattr(module, "show", None)
    for figure in module.run(*part.arguments(options)):
        yield (show(figure), figure) if show else (str(figure), figure.to_json())


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog="parts:\n" + "\n".join(f"  {name:10} {part.about}" for name, part in PARTS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", help="some of the parts below; all when none is named")
    parser.add_argument("--pairs", type=int, default=31, help="pairs a figure (default 31)")
    parser.add_argument("--only", default="", metavar="TEXT", help="of pointwise, rows, products: names with TEXT")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="where the C++ programs were built")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--check", action="store_true", help="exit status 1 when a figure is over its limit")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    told: dict[str, Any] = {"processor": processor(), "figures": []}
    if not options.json:
        print(
            f"{told['processor']}\nours = flagos, rival = cpu unless said otherwise; a ratio below 1 is faster\n{TITLE}"
        )
    for part in options.parts or PARTS:
        for line, figure in figures(part, options):
            told["figures"].append(figure)
            if not options.json:
                print(line, flush=True)
    if options.json:
        print(json.dumps(told, indent=1))
    over = [figure["name"] for figure in told["figures"] if not figure["within"]]
    return 1 if options.check and over else 0


if __name__ == "__main__":
    sys.exit(main())
