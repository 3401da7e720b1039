"""One module of PyTorch's module database: forward and backward in training and evaluation, compared with the CPU.

Compared are the output, the gradients of operands and parameters, and parameters and buffers after the step.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.testing._internal.common_modules import ModuleInfo, ModuleInput, module_db
from torch.utils._pytree import tree_leaves

from .case import Case, Failure, Outcome, describe
from .comparison import Comparison
from .expectations import Expectations
from .placement import Placement


def by_name() -> dict[str, ModuleInfo]:
    return {info.name: info for info in module_db}


def run(case: Case, comparison: Comparison, expectations: Expectations, at: Callable[[str], None]) -> Outcome:
    """Every constructor and forward input of one module, in training and in evaluation mode."""
    info, outcome = by_name()[case.name], Outcome(case)
    comparison = replace(comparison, tolerances=expectations.tolerances_of(case.name))
    for number, trial in enumerate(itertools.islice(_trials(info, getattr(torch, case.dtype)), case.limit)):
        at(f"{case} input {number} ({trial.name})")
        expected = _try(trial, Placement("cpu"))
        if isinstance(expected, Exception):
            outcome.refused += 1
            continue
        outcome.samples += 1
        to = Placement(str(comparison.device))
        actual = _try(trial, to)
        if isinstance(actual, Exception):
            found: str | None = describe(actual)
        else:
            values = expectations.same_randoms or not _depends_on_seed(trial, expected, comparison)
            found = replace(comparison, values=values).difference(expected, actual, placed=to.moved_something)
        if found:
            outcome.failures.append(Failure(number, trial.name, found))
    return outcome


@dataclass(frozen=True)
class _Trial:
    info: ModuleInfo
    given: ModuleInput
    training: bool

    @property
    def name(self) -> str:
        return f"{'training' if self.training else 'evaluation'}, {self.given.desc or 'no description'}"


def _trials(info: ModuleInfo, dtype: torch.dtype) -> Iterator[_Trial]:
    for training in (True, False):
        torch.manual_seed(0)
        for given in info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=True, training=training):
            if given.forward_input is not None:
                yield _Trial(info, given, training)


def _try(trial: _Trial, to: Placement, seed: int = 1) -> Any:
    try:
        return _step(trial, to, seed)
    except Exception as error:  # the caller decides: refused by the CPU, or a finding about the device
        return error


def _step(trial: _Trial, to: Placement, seed: int) -> dict[str, Any]:
    torch.manual_seed(0)
    made = trial.given.constructor_input
    # Built on the CPU and then moved, as programs do; the weights are then the same on both sides.
    module = trial.info.module_cls(*copy.deepcopy(made.args), **copy.deepcopy(made.kwargs))
    module.train(trial.training).to(to.device)
    arguments, keywords = to(trial.given.forward_input.args), to(trial.given.forward_input.kwargs)
    torch.manual_seed(seed)
    output = module(*arguments, **keywords)
    differentiable = [leaf for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    if differentiable:
        torch.autograd.backward(differentiable, [torch.ones_like(leaf) for leaf in differentiable])
    leaves = [leaf for leaf in tree_leaves((arguments, keywords)) if isinstance(leaf, torch.Tensor)]
    return {
        "output": output,
        "operand gradients": [leaf.grad for leaf in leaves if leaf.is_leaf],
        "parameters": {name: parameter.detach() for name, parameter in module.named_parameters()},
        "parameter gradients": {name: parameter.grad for name, parameter in module.named_parameters()},
        "buffers": dict(module.named_buffers()),
    }


def _depends_on_seed(trial: _Trial, expected: Any, comparison: Comparison) -> bool:
    other = _try(trial, Placement("cpu"), seed=2)
    on_cpu = replace(comparison, device=torch.device("cpu"))
    return isinstance(other, Exception) or on_cpu.difference(expected, other, placed=False) is not None
