"""Which kernels serve an operator, and why: look at the routes, change them, trace what runs.

    torch_fl.routing.explain("add.Tensor", x, y)          # what would run, and why not the others
    with torch_fl.routing.override("mm", "cpu"): ...      # for a while; without `with`, until reset()
    with torch_fl.routing.trace() as ledger: model(x)
    print(ledger.report())

Operators are named as conf files name them ("add.Tensor", "mm", "mm.out"), or given as torch.ops.aten.mm.out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NoReturn, TypeAlias

import torch
from torch.utils import _pytree

_ops = torch.ops.flagos

Operator: TypeAlias = "str | torch._ops.OpOverload | torch._ops.OpOverloadPacket"

_COUNT, _LOG, _SHADOW = 1, 2, 4  # FL_TRACE_* of routing.h


@dataclass(frozen=True)
class Place:
    """Where a rule was written."""

    source: str  # "api", "environment", "file", "shipped" or "default"
    file: str | None
    line: int | None
    reason: str | None  # the comment beside the rule

    def __str__(self) -> str:
        where = self.source if not self.file else self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where} ({self.reason})" if self.reason else where


@dataclass(frozen=True)
class Rule:
    """A line of a conf file, of the environment or of the API."""

    pattern: str  # an overload, a base name or a glob
    section: str | None  # the driver it holds for; None = all
    chain: tuple[str, ...]
    place: Place

    def __str__(self) -> str:
        section = f"[{self.section}] " if self.section else ""
        return f"{section}{self.pattern} = {', '.join(self.chain)}   from {self.place}"


@dataclass(frozen=True)
class Candidate:
    """A target of a chain, and what it would do with the call."""

    target: str
    verdict: str  # "runs", "stands by", "absent", "other driver", "no kernel", "cannot" or "barred"
    why: str
    refused: tuple[str, ...]  # why it turned earlier calls down for good


@dataclass(frozen=True)
class Route:
    """An operator's chain on a driver."""

    operator: str
    driver: str
    runs: str | None  # the target that serves a plain call; None when none does
    candidates: tuple[Candidate, ...]
    place: Place

    def __str__(self) -> str:
        chain = ", ".join(candidate.target for candidate in self.candidates)
        return f"{self.operator:40} {self.driver:8} {self.runs or 'nothing':16} {chain}   from {self.place}"


@dataclass(frozen=True)
class Explanation:
    """What would run for a call, and why each other candidate would not."""

    operator: str
    driver: str
    runs: str | None
    candidates: tuple[Candidate, ...]
    rule: Rule
    overruled: tuple[Rule, ...]  # other rules that match, which `rule` is stronger than
    strict: bool
    composed: bool  # PyTorch makes it of other operators, each on a route of its own

    def __str__(self) -> str:
        lines = [f"{self.operator} on {self.driver}: {self.runs or 'nothing can run it'}", f"  rule  {self.rule}"]
        lines += [f"  {candidate.target:16} {candidate.verdict}: {candidate.why}" for candidate in self.candidates]
        if self.composed:
            lines.append("  PyTorch composes it of other operators, each of which has a route of its own")
        lines += [f"  refused before by {c.target}: {why}" for c in self.candidates for why in c.refused]
        lines += [f"  overruled  {rule}" for rule in self.overruled]
        return "\n".join(lines)


@dataclass(frozen=True)
class Target:
    """A supplier of kernels."""

    name: str
    aliases: tuple[str, ...]
    present: bool
    absent: str | None  # why it cannot run here
    drivers: tuple[str, ...] | None  # those it can serve; None = all
    does_not_serve: tuple[str, ...]  # traits of calls that it refuses

    def __str__(self) -> str:
        return f"{self.name:16} " + ("present" if self.present else f"absent: {self.absent}")


@dataclass(frozen=True)
class Entry:
    """What the ledger holds of an operator on a target."""

    operator: str
    driver: str
    target: str
    calls: int
    declined: int  # calls that the target handed on
    raised: int
    milliseconds: float  # host time in the target, calls it made included
    own_milliseconds: float  # without routed calls that it made
    copied_bytes: int  # between host and device
    device_milliseconds: float


class Report(tuple[Entry, ...]):
    """The ledger's entries, most time first; prints as a table."""

    __slots__ = ()

    def __str__(self) -> str:
        if not self:
            return "nothing was counted; routing.trace() or FLAGOS_TRACE=1 turns the ledger on"
        title = f"{'operator':40} {'driver':8} {'target':16} {'calls':>8} {'ms':>10} {'copied':>12} {'device ms':>10}"
        lines = [
            f"{e.operator:40} {e.driver:8} {e.target:16} {e.calls:8} {e.own_milliseconds:10.3f} {e.copied_bytes:12} "
            f"{e.device_milliseconds:10.3f}"
            + (f"   {e.declined} declined" if e.declined else "")
            + (f"   {e.raised} raised" if e.raised else "")
            for e in self
        ]
        return "\n".join([title, *lines])


def operator_name(operator: Operator) -> str:
    """The name that conf files use, of an operator given by name or as torch.ops.aten...."""
    if isinstance(operator, torch._ops.OpOverload):
        base = operator._schema.name
        overload = operator._schema.overload_name
        name = f"{base}.{overload}" if overload else base
    elif isinstance(operator, torch._ops.OpOverloadPacket):
        name = operator._qualified_op_name
    elif isinstance(operator, str):
        name = operator
    else:
        raise TypeError(
            "flagos: an operator is a name such as 'add.Tensor' or torch.ops.aten.add.Tensor, not "
            f"{type(operator).__name__}"
        )
    return name.removeprefix("aten::")


def explain(operator: Operator, *args: Any, driver: str | None = None, **kwargs: Any) -> Explanation:
    """What would run for a call of `operator` with these arguments, and why each other candidate would not.

    Without arguments the answer is for a plain call. `driver` is that of the first flagos tensor, else of the first
    device, unless it is named. Nothing is run. ValueError for an unknown operator or driver, with a suggestion.
    """
    tensors = [leaf for leaf in _pytree.tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    _ops.device_count()  # finds the drivers
    if driver is None:
        on_device = next((tensor.device.index for tensor in tensors if tensor.device.type == "flagos"), None)
        driver = _driver_of(on_device)
    told = json.loads(_ops.routing_explain(operator_name(operator), driver, tensors))
    return Explanation(
        operator=told["operator"],
        driver=told["driver"],
        runs=told["runs"],
        candidates=tuple(map(_candidate, told["candidates"])),
        rule=_rule(told["rule"]),
        overruled=tuple(map(_rule, told["overruled"])),
        strict=told["strict"],
        composed=told["composed"],
    )


def table(driver: str | None = None) -> list[Route]:
    """The route of every operator, on one driver or on all that have devices, sorted by operator.

    An operator that PyTorch composes of others is in it when a rule sends it to a target that serves it whole.
    """
    _ops.device_count()  # finds the drivers
    routes = [
        Route(row["operator"], row["driver"], row["runs"], tuple(map(_candidate, row["candidates"])), _place(row))
        for row in json.loads(_ops.routing_table(driver))
    ]
    return sorted(routes, key=lambda route: (route.operator, route.driver))


def targets() -> list[Target]:
    """Every target that is known, present or not."""
    return [
        Target(
            name=row["target"],
            aliases=tuple(row["aliases"]),
            present=row["present"],
            absent=row["absent"],
            drivers=None if row["drivers"] is None else tuple(row["drivers"]),
            does_not_serve=tuple(row["does_not_serve"]),
        )
        for row in json.loads(_ops.routing_targets())
    ]


def rules() -> list[Rule]:
    """Every rule that was read, strongest source first: the API, the environment, the conf file, the shipped files."""
    _ops.device_count()  # the shipped file is that of the drivers at hand
    return [_rule(rule) for source in json.loads(_ops.routing_conf())["sources"] for rule in source["rules"]]


def conf_files() -> list[str]:
    """The conf files in force, strongest first, each with those it includes."""
    _ops.device_count()
    return [file for source in json.loads(_ops.routing_conf())["sources"] for file in source["files"]]


class override:
    """Routes operators to a chain of targets from now on; as a context, until its end.

    Args:
        pattern: an operator, a base name, or a glob ("*", "add*").
        chain: targets tried left to right, "flagos, cpu" or a sequence of names.
        driver: only for devices of this driver.

    ValueError for an unknown operator, target or driver; nothing has changed then. Holds for all threads.
    """

    def __init__(self, pattern: Operator, chain: str | list[str] | tuple[str, ...], driver: str | None = None) -> None:
        text = chain if isinstance(chain, str) else ", ".join(chain)
        _ops.device_count()  # so that the drivers at hand are known by name
        self._handle: int | None = _ops.routing_override(operator_name(pattern), text, driver)
        self._made_in = _generation
        self._text = f"{operator_name(pattern)} = {text}" + (f" on {driver}" if driver else "")

    def remove(self) -> None:
        """Ends it; a second time, or after reset(), does nothing."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            if _generation == self._made_in:
                _ops.routing_remove_override(handle)

    def __enter__(self) -> override:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"<routing.override {self._text}{'' if self._handle is not None else ', removed'}>"


_generation = 0


def reset() -> None:
    """Forgets every override and every remembered refusal, and reads environment and conf files again."""
    global _generation
    _generation += 1
    _ops.routing_reset()


def report() -> Report:
    """What the ledger counted since it was cleared, most time first."""
    entries = [
        Entry(
            operator=row["operator"],
            driver=row["driver"],
            target=row["target"],
            calls=row["calls"],
            declined=row["declined"],
            raised=row["raised"],
            milliseconds=row["inclusive_ns"] / 1e6,
            own_milliseconds=row["exclusive_ns"] / 1e6,
            copied_bytes=row["copied_bytes"],
            device_milliseconds=row["device_ns"] / 1e6,
        )
        for row in json.loads(_ops.ledger_report())
    ]
    return Report(sorted(entries, key=lambda entry: -entry.own_milliseconds))


class trace:
    """Context in which calls are counted: `with routing.trace() as ledger: ...; print(ledger.report())`.

    Args:
        log: also logs one line for each call.
        shadow: also runs each call again on PyTorch's CPU kernels and reports the first one that differs.

    The ledger starts empty. It is one for the process: threads that run meanwhile are counted too.
    """

    def __init__(self, log: bool = False, shadow: bool = False) -> None:
        self._bits = _COUNT | (_LOG if log else 0) | (_SHADOW if shadow else 0)
        self._report: Report | None = None

    def __enter__(self) -> trace:
        self._before = _ops.routing_trace()
        _ops.ledger_clear()
        _ops.routing_set_trace(self._before | self._bits)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _ops.routing_set_trace(self._before)
        self._report = report()

    def report(self) -> Report:
        """What was counted: so far inside of the context, in all of it afterwards."""
        return self._report if self._report is not None else report()


class _Declined(Exception):
    """Ends a call of a function that declined; caught by the route, never seen by the caller."""


def decline(why: str, remember: bool = False) -> NoReturn:
    """Called by a function of register_target() that cannot serve its call: the next target of the chain gets it.

    With `remember` such calls (the same operator, dtypes and kind of sizes) are not brought to this target again before
    reset().
    """
    _ops.route_decline(why, remember)
    raise _Declined(why)


def register_target(
    name: str, functions: Mapping[Operator, Callable[..., Any]], drivers: list[str] | tuple[str, ...] = ()
) -> None:
    """Makes Python functions a target that routes can name.

    Args:
        name: the word for conf files and override(); letters, digits and "_".
        functions: for each operator the function that serves it. It gets the operator's arguments as its schema orders
            them and returns what the operator returns; for an `out=` or in-place operator it writes the argument and
            returns it. decline() hands the call on. Calling the same operator inside reaches the next target.
        drivers: the drivers it can serve; none = all.

    Functions run below autograd: PyTorch differentiates the operator, not the function. Again with the same name adds
    operators and replaces functions. ValueError for a bad name or an operator that PyTorch does not have.
    """
    if not name.isidentifier() or name != name.lower():
        raise ValueError(f"flagos: a target's name has lower-case letters, digits and '_', not '{name}'")
    schemas = {
        operator_name(operator): (_overload(operator)._schema, function) for operator, function in functions.items()
    }
    library = f"flagos_target_{name}"
    for op, (schema, function) in schemas.items():
        _define_function(library, op, schema, function)
    _ops.declare_function_target(name, "", library, ",".join(drivers), [], [])


_libraries: dict[str, torch.library.Library] = {}
_functions: dict[str, dict[str, Callable[..., Any]]] = {}


def _define_function(library: str, op: str, schema: torch._C.FunctionSchema, function: Callable[..., Any]) -> None:
    """Makes `function` the kernel of `<library>::<op>`, or puts it in the place of an earlier one."""
    if library not in _libraries:
        _libraries[library] = torch.library.Library(library, "DEF")
    defined = _functions.setdefault(library, {})
    if op not in defined:
        _libraries[library].define(str(schema).removeprefix("aten::"), tags=())
        # The dispatcher holds this lookup; the function behind it may be replaced.
        _libraries[library].impl(op, _caller(defined, op), "PrivateUse1")
    defined[op] = function


_providers: dict[str, Callable[[str], Callable[..., Any]]] = {}


def provide_targets(
    names: Mapping[str, str],
    library: str,
    drivers: str,
    operators: list[str],
    differentiated: list[str],
    provider: Callable[[str], Callable[..., Any]],
) -> None:
    """Declares targets whose functions are made when they are first called.

    Args:
        names: the targets, each with its other spellings as a comma list. They share the functions.
        library: a namespace of PyTorch's for the functions.
        drivers: those that they can serve, a comma list.
        operators: what can be served, as conf files name it.
        differentiated: those of them that PyTorch composes of others and whose function leaves a gradient by itself.
        provider: makes the function of one of them; see register_target for what it gets and returns.
    """
    _providers[library] = provider
    for name, aliases in names.items():
        _ops.declare_function_target(name, aliases, library, drivers, operators, differentiated)


def _provide_function(library: str, op: str) -> None:
    _define_function(library, op, _overload(op)._schema, _providers[library](op))


_own = torch.library.Library("flagos", "FRAGMENT")
_own.define("provide_function(str library, str op) -> ()")
_own.impl("provide_function", _provide_function, "CompositeImplicitAutograd")


def _caller(functions: dict[str, Callable[..., Any]], op: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return functions[op](*args, **kwargs)

    return call


def _overload(operator: Operator) -> torch._ops.OpOverload:
    base, _, overload = operator_name(operator).partition(".")
    packet = getattr(torch.ops.aten, base, None) if base.isidentifier() else None
    overload = overload or "default"
    if packet is None or overload not in packet.overloads():
        known = f"; {base} has {', '.join(packet.overloads())}" if packet is not None else ""
        raise ValueError(f"flagos: PyTorch has no operator '{operator_name(operator)}'{known}")
    return getattr(packet, overload)


def _driver_of(device: int | None) -> str | None:
    if _ops.device_count() == 0:
        return None
    return _ops.device_properties(_ops.current_device() if device is None else device)[5]


def _place(told: Mapping[str, Any]) -> Place:
    return Place(told["source"], told["file"], told["line"], told["reason"])


def _rule(told: Mapping[str, Any]) -> Rule:
    return Rule(told["pattern"], told["section"], tuple(told["chain"]), _place(told))


def _candidate(told: Mapping[str, Any]) -> Candidate:
    refused = tuple(refusal["why"] for refusal in told["refused"])
    return Candidate(told["target"], told["verdict"], told["why"], refused)
