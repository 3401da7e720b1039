"""Lists which kernels serve each operator, and which line of which file says so."""

from __future__ import annotations

import argparse
import fnmatch
import json
from collections import Counter
from dataclasses import asdict

NAME = "routes"
HELP = "which kernels serve each operator"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pattern", nargs="?", default="*", help='operators, as a glob: "add*"; all without it')
    parser.add_argument("--driver", help="for devices of this driver; all drivers at hand without it")
    parser.add_argument("--json", action="store_true", help="for machines")


def run(arguments: argparse.Namespace) -> int:
    from torch_fl import routing

    routes = [r for r in routing.table(arguments.driver) if fnmatch.fnmatchcase(r.operator, arguments.pattern)]
    if not routes:
        raise ValueError(f"no operator matches '{arguments.pattern}'")
    if arguments.json:
        print(json.dumps([asdict(route) for route in routes], indent=2))
        return 0
    print(f"{'operator':40} {'driver':8} {'runs on':16} chain")
    for route in routes:
        print(route)
    counts = Counter(route.runs or "nothing" for route in routes)
    print(f"{len(routes)} routes: " + ", ".join(f"{count} on {name}" for name, count in counts.most_common()))
    return 0
