"""Times each operator on each target that has it, over a few sizes, and writes a conf file of what follows.

flagos routes tune --results here.jsonl --conf my.conf
flagos routes tune --ops "mm,softmax*" --dtypes float32 --shapes small,1000000

What was measured is kept in --results: the same command goes on where it stopped, and measurements of other machines
(--also) take part in the decision. An operator goes to a target that was at least --least times as fast as PyTorch's
CPU kernels in every case on every kind of processor measured; its line of the conf file gives the figures. So one case
in which all targets are slower settles an operator, and the rest is not measured unless --all-cases asks for it. What
is faster is compared with PyTorch's results at last, in float64 too and with large operands, and must be right.
Random operators are left out: another target draws other numbers from the same seed.
Progress goes to stderr. Let the machine do nothing else meanwhile: two threads that wait for a third program are what
is measured then.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flagos.route_tuning.results import Result

NAME = "routes tune"
HELP = "times operators on their targets and writes the conf that follows"

#: Elements of the largest operand.
SHAPES = {"small": 1 << 12, "medium": 1 << 18, "large": 1 << 22}
DTYPES = ("float32", "bfloat16")
#: Calls that are looked at for the one with most elements.
_CALLS = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ops", default="*", help='globs of operators: "mm,softmax*"; all that a target has without it'
    )
    parser.add_argument("--targets", default="flagos", help="targets to compare with cpu, the best one wins (flagos)")
    parser.add_argument(
        "--shapes",
        default=",".join(SHAPES),
        help="elements of the largest operand: " + ", ".join(f"{name} = {size}" for name, size in SHAPES.items()),
    )
    parser.add_argument(
        "--dtypes",
        default=",".join(DTYPES),
        help="dtypes of operands; an operator without any of them is timed with the first that it has",
    )
    parser.add_argument("--results", type=Path, default=Path("routes-tune.jsonl"), help="measurements, kept and reused")
    parser.add_argument("--also", type=Path, nargs="*", default=[], help="measurements of other machines")
    parser.add_argument("--conf", type=Path, help="the conf file to write")
    parser.add_argument("--least", type=float, help="how many times as fast a target must be (1.1)")
    parser.add_argument("--all-cases", action="store_true", help="measure on where a case has settled the operator")
    parser.add_argument("--rounds", type=int, default=9, help="times that the targets take turns")
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="stop after so long, and go on another time"
    )
    parser.add_argument("--compile", action="store_true", help="only make each call once, so that kernels are cached")
    parser.add_argument("--json", action="store_true", help="decisions for machines")


def run(arguments: argparse.Namespace) -> int:
    from flagos.route_tuning import conf, results

    least = conf.LEAST if arguments.least is None else arguments.least
    wanted = [_size(word) for word in arguments.shapes.split(",")]
    finished = _measure(arguments, wanted, least)
    found = results.read([arguments.results, *arguments.also])
    decisions = conf.decide(found, least)
    if arguments.conf and not arguments.compile:
        arguments.conf.write_text("\n".join(conf.lines(decisions, found, least)) + "\n", encoding="utf-8")
    if arguments.json:
        print(json.dumps({"finished": finished, "decisions": [asdict(decision) for decision in decisions]}, indent=2))
    else:
        for decision in decisions:
            print(decision)
        won = sum(len(decision.chain) > 1 for decision in decisions)
        state = "" if finished else "; not finished, the same command goes on"
        print(f"{len(decisions)} operators, {won} of them at least {least:g} times as fast elsewhere{state}")
    return 0 if finished else 1


def _size(word: str) -> int:
    if word in SHAPES:
        return SHAPES[word]
    if not word.isdigit() or int(word) == 0:
        raise ValueError(f"'{word}' is no size: write a number of elements, or one of {', '.join(SHAPES)}")
    return int(word)


def _measure(arguments: argparse.Namespace, sizes: list[int], least: float) -> bool:
    """Adds what is missing to the results; whether nothing is missing any more."""
    from torch_fl import routing

    from flagos.route_tuning import conf, results

    targets = [word.strip() for word in arguments.targets.split(",")]
    operators = list(_operators(arguments.ops, targets))
    ends = time.monotonic() + arguments.seconds
    known = {result.key for result in results.read([arguments.results])}
    where = _where()
    everything = arguments.all_cases or arguments.compile
    measured = [] if everything else results.read([arguments.results, *arguments.also])
    settled = {result.operator for result in measured if conf.settles(result, where["driver"], least)}
    with routing.override("*", "cpu"):  # what an operator calls in turn is the same for all of its targets
        for number, name in enumerate(operators, 1):
            if name in settled:
                continue
            for result in _of_operator(name, targets, sizes, known, where, arguments):
                if time.monotonic() > ends:
                    return False
                print(f"[{number}/{len(operators)}] {_told(result)}", file=sys.stderr, flush=True)
                if not arguments.compile:
                    results.add(arguments.results, result)
                if not everything and conf.settles(result, where["driver"], least):
                    break
    return True


def _operators(globs: str, targets: list[str]) -> Iterator[str]:
    """Those that one of the targets has, on the driver of the first device."""
    from torch_fl import routing

    patterns = [glob.strip() for glob in globs.split(",")]
    found = False
    with routing.override("*", [*targets, "cpu"]):
        for route in routing.table(routing.explain("add.Tensor").driver):
            if route.runs in targets and any(fnmatch.fnmatchcase(route.operator, pattern) for pattern in patterns):
                found = True
                yield route.operator
    if not found:
        raise ValueError(
            f"{', '.join(targets)}: no operator matches '{globs}'; see 'flagos routes' and 'flagos doctor'"
        )


def _of_operator(
    name: str,
    targets: list[str],
    sizes: list[int],
    known: set[Any],
    where: dict[str, Any],
    arguments: argparse.Namespace,
) -> Iterator[Result]:
    """What is not known yet: each size timed, and behind that whether the results are right."""
    import torch

    try:
        from flagos.route_tuning import calls
    except ModuleNotFoundError as error:
        raise ImportError(f"PyTorch's operator database needs {error.name}; pip install {error.name}") from error

    operator = calls.overload(name)
    if operator is None or torch.Tag.nondeterministic_seeded in operator.tags:
        return
    dtypes = [word.strip() for word in arguments.dtypes.split(",")]
    yield from _timed(name, operator, targets, sizes, dtypes, known, where, arguments)
    if not arguments.compile:
        yield from _compared(name, operator, targets, dtypes, known, where)


def _timed(
    name: str,
    operator: Any,
    targets: list[str],
    sizes: list[int],
    dtypes: list[str],
    known: set[Any],
    where: dict[str, Any],
    arguments: argparse.Namespace,
) -> Iterator[Result]:
    from flagos.route_tuning import calls, enlarging, measuring
    from flagos.route_tuning.results import Result

    def missing(dtype: str) -> list[int]:
        return [size for size in sizes if (name, dtype, size, *where.values()) not in known]

    if not any(map(missing, dtypes)):
        return  # known without a look at its calls, which take longer to make
    for dtype in _dtypes(name, dtypes):
        text = str(dtype).removeprefix("torch.")
        made = calls.calls(name, dtype, _CALLS) if missing(text) else []
        if not made:
            continue
        call, timed = max(made, key=enlarging.elements), set()
        for asked in missing(text):
            larger = enlarging.enlarge(operator, call, asked)
            count = enlarging.elements(larger)
            timings, refused = [], {}
            if count not in timed:  # else it did not grow, and what is known of it holds
                try:
                    rounds = 0 if arguments.compile else arguments.rounds
                    timings, refused = measuring.measure(operator, larger, targets, rounds=rounds)
                except NotImplementedError as error:
                    refused = {measuring.REFERENCE: str(error)}
            timed.add(count)
            yield Result(name, text, asked, count, timings=tuple(timings), refused=refused, **where)


def _compared(
    name: str, operator: Any, targets: list[str], dtypes: list[str], known: set[Any], where: dict[str, Any]
) -> Iterator[Result]:
    """The results of the dtypes that are timed, and of float64: a route that is there for one is there for all."""
    import torch

    from flagos.route_tuning import agreement, calls, enlarging
    from flagos.route_tuning.results import Result

    for dtype in dict.fromkeys([*_dtypes(name, dtypes), torch.float64]):
        text = str(dtype).removeprefix("torch.")
        made = calls.calls(name, dtype, _CALLS) if (name, text, 0, *where.values()) not in known else []
        if made:
            wrong = agreement.differences(operator, made, targets)
            yield Result(name, text, 0, enlarging.elements(made[0]), timings=(), refused={}, wrong=wrong, **where)


def _dtypes(name: str, wanted: list[str]) -> list[Any]:
    """Those of the wanted ones that the operator has, else the first that it has."""
    import torch

    from flagos.route_tuning import calls

    chosen = [getattr(torch, word, None) for word in wanted]
    for word, dtype in zip(wanted, chosen, strict=True):
        if not isinstance(dtype, torch.dtype):
            raise ValueError(f"'{word}' is no dtype; write PyTorch's names, such as float32,bfloat16")
    served = [dtype for dtype in chosen if calls.calls(name, dtype, 1)]
    return served or [dtype for dtype in calls.DTYPES if calls.calls(name, dtype, 1)][:1]


def _where() -> dict[str, Any]:
    """What, beside the call, a measurement depends on."""
    import torch
    from torch_fl import routing

    from flagos.commands import doctor
    from flagos.triton import native

    packages = ", ".join(f"{name} {doctor.version_of(name)}" for name in ("torch", "flag_gems"))
    return {
        "processor": f"{native.host_target().cpu} ({doctor.cpu()['name']})",
        "driver": routing.explain("add.Tensor").driver,
        "threads": torch.get_num_threads(),
        "packages": packages,
    }


def _told(result: Result) -> str:
    told = [f"{t.target} {t.ratio:.2f} x [{t.low:.2f}, {t.high:.2f}] {t.microseconds:.1f} us" for t in result.timings]
    told += [f"{target} refused: {why}" for target, why in result.refused.items()]
    told += [f"{target} differs: {why}" for target, why in result.wrong.items()]
    if not result.asked and not told:
        told = ["compared, no difference"]
    return f"{result.operator} {result.dtype} {result.elements}: {'; '.join(told) or 'made, nothing to time'}"
