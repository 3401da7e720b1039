"""The `flagos` command: finds the subcommand, runs it, turns errors into one clear line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from flagos import __version__
from flagos.commands import doctor, explain, routes, triton, tune

#: A NAME may have two words: 'routes' takes an operator, but for the word 'tune'.
SUBCOMMANDS = (doctor, routes, tune, explain, triton)


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command."""
    parser = argparse.ArgumentParser(
        prog="flagos",
        description="One PyTorch device for every AI chip.",
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"flagos {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="<command>", required=True)
    for command in SUBCOMMANDS:
        sub = subparsers.add_parser(
            command.NAME, help=command.HELP, description=command.__doc__, formatter_class=argparse.RawTextHelpFormatter
        )
        command.add_arguments(sub)
        sub.set_defaults(run=command.run)
    return parser


def _with_joined_names(words: list[str]) -> list[str]:
    """The words with the name of a command of two words as one, which is what argparse knows it by."""
    names = [command.NAME for command in SUBCOMMANDS if " " in command.NAME]
    joined = next((name for name in names if words[:2] == name.split()), None)
    return [joined, *words[2:]] if joined else words


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status: 0, 1 for what it found wrong, 2 for what the caller got wrong."""
    arguments = build_parser().parse_args(_with_joined_names(sys.argv[1:] if argv is None else list(argv)))
    try:
        return arguments.run(arguments)
    except BrokenPipeError:
        # The reader (`| head`) has gone; Python would complain once more when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, TypeError, NotImplementedError, ImportError, RuntimeError, OSError) as error:
        print(f"flagos: {str(error).removeprefix('flagos: ')}", file=sys.stderr)
        return 2
