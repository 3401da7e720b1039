"""For authors of Triton kernels.

flagos triton explain kernel.ttir     the loop nests that the kernel becomes on this CPU: what was fused into each,
                                      what is contiguous or gathered, which masks bound a loop, and why

A kernel.ttir lies in Triton's cache (TRITON_CACHE_DIR), or in the folder of FLAGOS_TRITON_DUMP.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

NAME = "triton"
HELP = "what a Triton kernel becomes on this CPU, and why"

_LINE = re.compile(r"\bline (\d+)\b")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", metavar="<command>", required=True)
    explain = commands.add_parser("explain", help="the loop nests of a kernel, and why they are as they are")
    explain.add_argument("file", type=Path, help="a module of tile IR: kernel.ttir or kernel.tile")
    explain.add_argument(
        "--ones", default="", metavar="I,J", help="arguments, counted from 0, that are 1: strides, mostly"
    )
    explain.add_argument("--target", help="a CPU to compile for, such as x86-64-v3 (default: this one)")


def run(arguments: argparse.Namespace) -> int:
    # Triton is imported only where someone asks for it.
    from flagos.triton import native
    from flagos.triton.diagnostics import Locations, explain_failure
    from flagos.triton.reading import without_locations

    text = arguments.file.read_text()
    locations = Locations(text)
    ones = {int(word): 1 for word in arguments.ones.split(",") if word.strip()}
    try:
        program = native.Program(without_locations(arguments.file), native.options(ones, target=arguments.target))
    except native.CompileError as error:
        raise explain_failure(error, arguments.file.stem, locations) from None
    target = native.named_target(arguments.target) if arguments.target else native.host_target()
    print(f"kernel {program.symbol} for {target.cpu} {target.features}".rstrip())

    def with_source(match: re.Match[str]) -> str:
        place = locations.place(int(match[1]))
        return f"{match[0]} ({place.rpartition('/')[2]})" if place else match[0]

    print(_LINE.sub(with_source, program.explained()), end="")
    return 0
