"""One operator of PyTorch's OpInfo database, on the CPU and on the device, stage by stage.

A stage is a function of (operator, sample, placement). It runs once with a placement on the CPU and once with one on
the device; what it returns is compared. If the CPU refuses a stage it says nothing about the device and is not counted.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import OpInfo, SampleInput
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from .case import Case, Failure, Outcome, describe
from .comparison import Comparison
from .expectations import Expectations
from .placement import Placement

# The first that the operator supports on the CPU stands for all of them in the tiers that run one dtype.
_REPRESENTATIVE = (torch.float32, torch.int64, torch.complex64, torch.bool, torch.float64, torch.uint8)


def full_name(op: OpInfo) -> str:
    """`linalg.lstsq.grad_oriented`: the operator's name with its variant; unique in the database."""
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name


def by_name() -> dict[str, OpInfo]:
    return {full_name(op): op for op in op_db}


def dtypes(op: OpInfo, every: bool) -> list[torch.dtype]:
    """The dtypes to run the operator with: all that it supports on the CPU, or one that stands for them."""
    supported = op.supported_dtypes("cpu")
    if every:
        return sorted(supported, key=str)
    chosen = next((dtype for dtype in _REPRESENTATIVE if dtype in supported), None)
    return [chosen] if chosen else sorted(supported, key=str)[:1]


# ---- The call ----
_SEED = 0


def _call(function: Callable[..., Any], sample: SampleInput, to: Placement, seed: int = _SEED, **extra: Any) -> Any:
    operands, arguments, keywords = to(sample.input), to(sample.args), to(sample.kwargs)
    torch.manual_seed(seed)
    return function(operands, *arguments, **keywords, **extra)


def _forward(op: OpInfo, sample: SampleInput, to: Placement) -> Any:
    return sample.output_process_fn_grad(_call(op, sample, to))


def _forward_other_seed(op: OpInfo, sample: SampleInput, to: Placement) -> Any:
    return sample.output_process_fn_grad(_call(op, sample, to, seed=_SEED + 1))


def _drew_since_seeded() -> bool:
    """True when the last call on the CPU took numbers from the CPU's generator."""
    now = torch.default_generator.get_state()
    torch.manual_seed(_SEED)
    return not torch.equal(now, torch.default_generator.get_state())


# ---- Stages beyond the plain call ----
def _gradient(op: OpInfo, sample: SampleInput, to: Placement) -> Any:
    inputs = [leaf for leaf in tree_leaves(to((sample.input, sample.args, sample.kwargs))) if _wants_gradient(leaf)]
    outputs = [leaf for leaf in tree_leaves(_forward(op, sample, to)) if _wants_gradient(leaf)]
    if not inputs or not outputs:
        return None
    ones = [torch.ones_like(output) for output in outputs]
    return torch.autograd.grad(outputs, inputs, ones, allow_unused=True)


def _out_exact(op: OpInfo, sample: SampleInput, to: Placement) -> Any:
    """`out=` of the right shape: written in place, its memory unchanged."""
    outs = _map_tensors(lambda result: torch.full_like(result, 1), _call(op, sample, to))
    before = [tensor.data_ptr() for tensor in tree_leaves(outs)]
    result = _call(op, sample, to, out=outs)
    same = [left is right for left, right in zip(tree_leaves(result), tree_leaves(outs), strict=True)]
    kept = [tensor.data_ptr() for tensor in tree_leaves(outs)] == before
    return outs, same, kept


def _out_empty(op: OpInfo, sample: SampleInput, to: Placement) -> Any:
    """`out=` without elements: resized."""
    outs = _map_tensors(lambda result: result.new_empty(0), _call(op, sample, to))
    result = _call(op, sample, to, out=outs)
    return outs, [left is right for left, right in zip(tree_leaves(result), tree_leaves(outs), strict=True)]


def _in_place(op: OpInfo, sample: SampleInput, to: Placement) -> Any:
    operand = to(sample.input)
    result = _call(op.inplace_variant, sample, to)
    return result, result is operand


@dataclass(frozen=True)
class Stage:
    """`grad`: the sample keeps its requires_grad; otherwise the stage runs on detached operands."""

    name: str
    run: Callable[[OpInfo, SampleInput, Placement], Any]
    applies: Callable[[OpInfo, SampleInput, torch.dtype], bool]
    grad: bool = False
    strided: bool = False


STAGES = (
    Stage("gradient", _gradient, lambda op, sample, dtype: _differentiable(op, dtype), grad=True),
    Stage("out", _out_exact, lambda op, sample, dtype: op.supports_out),
    Stage("out_empty", _out_empty, lambda op, sample, dtype: op.supports_out),
    Stage("in_place", _in_place, lambda op, sample, dtype: bool(op.inplace_variant) and not sample.broadcasts_input),
    Stage("noncontiguous", _forward, lambda op, sample, dtype: _all_strided(sample), strided=True),
)


# ---- The case ----
def run(case: Case, comparison: Comparison, expectations: Expectations, at: Callable[[str], None]) -> Outcome:
    """Every sample of one operator and dtype. `at` is told the position before each call, for the report of a crash."""
    runner = _Runner(case, comparison, expectations, at)
    for number, sample in enumerate(itertools.islice(_samples(runner.op, runner.dtype), case.limit)):
        runner.sample(number, sample)
    return runner.outcome


class _Runner:
    def __init__(self, case: Case, comparison: Comparison, expectations: Expectations, at: Callable[[str], None]):
        self.name, self.at, self.outcome = case.name, at, Outcome(case)
        self.op, self.dtype = by_name()[case.name], getattr(torch, case.dtype)
        self.exact_randoms = comparison.device.type == "cpu" or expectations.same_randoms
        self.keep_on_cpu = set(expectations.stays_on_cpu.get(self.op.name, ()))
        tolerances = expectations.tolerances_of(self.name)
        values = comparison.values and self.op.name not in expectations.metadata_only
        self.comparison = replace(comparison, tolerances=tolerances, values=values)

    def sample(self, number: int, sample: SampleInput) -> None:
        plain = _detached(sample)
        where = f"{self.name} {self.dtype} sample {number} ({sample.name or 'unnamed'})"
        self.at(f"{where}: forward")
        expected = self._on_cpu(_forward, plain)
        if expected is _REFUSED:
            self.outcome.refused += 1
            return
        self.outcome.samples += 1
        comparison = self.comparison
        if not self.exact_randoms and self._is_random(plain, expected):
            comparison = replace(comparison, values=False)
        if not self._stage("forward", _forward, number, plain, expected, comparison):
            return
        for stage in STAGES:
            if not stage.applies(self.op, sample, self.dtype):
                continue
            given = sample if stage.grad else plain
            if stage.strided:
                given = given.noncontiguous()
            self.at(f"{where}: {stage.name}")
            expected = self._on_cpu(stage.run, given)
            if expected is _REFUSED or expected is None:
                continue
            if not self._stage(stage.name, stage.run, number, given, expected, comparison):
                return

    def _on_cpu(self, stage: Callable[..., Any], sample: SampleInput) -> Any:
        try:
            return stage(self.op, sample, Placement("cpu"))
        except Exception:  # whatever the CPU refuses, and however, is no statement about the device
            return _REFUSED

    def _stage(
        self, name: str, stage: Any, number: int, sample: SampleInput, expected: Any, comparison: Comparison
    ) -> bool:
        self.outcome.stages[name] = self.outcome.stages.get(name, 0) + 1
        to = _PartlyOnCpu(comparison.device, sample, self.keep_on_cpu)
        try:
            actual = stage(self.op, sample, to)
            found = comparison.difference(expected, actual, placed=to.moved_something)
        except Exception as error:  # any error that the CPU did not raise is the finding
            found = describe(error)
        if found is None:
            return True
        self.outcome.failures.append(Failure(number, name, found, sample.summary()[:400]))
        return False

    def _is_random(self, sample: SampleInput, expected: Any) -> bool:
        """Whether the CPU's values come from its random engine, so that another engine may give others."""
        drew = _drew_since_seeded()
        with _SeesRandomOperators() as seen:
            self._on_cpu(_forward, sample)
        if not seen.some:
            return False
        if not drew:
            return True  # the entry of the database seeds and restores the generator itself: seeds cannot be varied
        other = self._on_cpu(_forward_other_seed, sample)
        if other is _REFUSED:
            return True
        on_cpu = replace(self.comparison, device=torch.device("cpu"))
        return on_cpu.difference(expected, other, placed=False) is not None


class _SeesRandomOperators(TorchDispatchMode):
    """Notes whether an operator ran that PyTorch tags as drawing from a generator."""

    some = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.some |= torch.Tag.nondeterministic_seeded in func.tags
        return func(*args, **(kwargs or {}))


class _PartlyOnCpu(Placement):
    """A placement that leaves the positional operands of some numbers on the CPU, where the operator wants them."""

    def __init__(self, device: torch.device, sample: SampleInput, stay: set[int]) -> None:
        super().__init__(str(device))
        for position, operand in enumerate(sample.args):
            if position in stay and isinstance(operand, torch.Tensor):
                self._tensors[id(operand)] = (operand, operand)


_REFUSED = object()


def _samples(op: OpInfo, dtype: torch.dtype) -> Iterator[SampleInput]:
    torch.manual_seed(_SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples: Iterable[SampleInput] = op.sample_inputs("cpu", dtype, requires_grad=_differentiable(op, dtype))
        yield from samples


def _differentiable(op: OpInfo, dtype: torch.dtype) -> bool:
    return op.supports_autograd and dtype in op.supported_backward_dtypes("cpu")


def _detached(sample: SampleInput) -> SampleInput:
    plain = sample.transform(lambda leaf: leaf.detach() if isinstance(leaf, torch.Tensor) else leaf)
    plain.name = sample.name
    return plain


def _all_strided(sample: SampleInput) -> bool:
    leaves = tree_leaves((sample.input, sample.args, sample.kwargs))
    return all(leaf.layout == torch.strided for leaf in leaves if isinstance(leaf, torch.Tensor))


def _wants_gradient(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.requires_grad


def _map_tensors(function: Callable[[torch.Tensor], torch.Tensor], value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return function(value)
    if isinstance(value, (list, tuple)) and all(isinstance(item, torch.Tensor) for item in value):
        return tuple(function(item) for item in value)
    raise TypeError("out= takes a tensor or a tuple of tensors")
