"""One optimizer of PyTorch's optimizer database: a few steps in every implementation, compared with the CPU.

The gradients are given, not computed, so that what is compared is the optimizer: parameters and state after each step.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.testing._internal.common_optimizers import OptimizerInfo, OptimizerInput, optim_db

from .case import Case, Failure, Outcome, describe
from .comparison import Comparison
from .expectations import Expectations

_STEPS = 4
_SHAPES = ((5, 7), (7,), (3, 2, 4), ())


def by_name() -> dict[str, OptimizerInfo]:
    return {info.optim_cls.__name__: info for info in optim_db}


def run(case: Case, comparison: Comparison, expectations: Expectations, at: Callable[[str], None]) -> Outcome:
    """Every configuration of one optimizer with every implementation that it has."""
    info, outcome, dtype = by_name()[case.name], Outcome(case), getattr(torch, case.dtype)
    comparison = Comparison(comparison.device, expectations.tolerances_of(case.name))
    for number, configuration in enumerate(itertools.islice(_configurations(info), case.limit)):
        name = f"{configuration.desc} {configuration.kwargs}"
        at(f"{case} configuration {number} ({name})")
        try:
            expected = _steps(info, configuration, dtype, torch.device("cpu"))
        except Exception:  # a configuration that the CPU refuses says nothing about the device
            outcome.refused += 1
            continue
        outcome.samples += 1
        try:
            found = comparison.difference(
                expected, _steps(info, configuration, dtype, comparison.device), placed=False, path="step"
            )
        except Exception as error:  # any error that the CPU did not raise is the finding
            found = describe(error)
        if found:
            outcome.failures.append(Failure(number, name, found))
    return outcome


def _configurations(info: OptimizerInfo) -> Iterator[OptimizerInput]:
    """Each implementation is asked for by name: left to itself PyTorch takes foreach on a device and a loop on the CPU,
    which round differently."""
    implementations = list(info.supported_impls)
    for given in info.optim_inputs_func("cpu"):
        if not implementations:
            yield given
        for chosen in [None, *implementations] if implementations else []:
            flags = {name: name == chosen for name in implementations}
            yield OptimizerInput(None, {**given.kwargs, **flags}, f"{given.desc}, {chosen or 'loop'}")


def _steps(info: OptimizerInfo, given: OptimizerInput, dtype: torch.dtype, device: torch.device) -> list[Any]:
    generator = torch.Generator().manual_seed(0)

    def numbers(shape: tuple[int, ...]) -> torch.Tensor:
        return torch.randn(shape, dtype=dtype, generator=generator)

    def gradient(shape: tuple[int, ...]) -> torch.Tensor:
        return (numbers(shape).to_sparse() if info.only_supports_sparse_grads else numbers(shape)).to(device)

    # Muon takes matrices only, as its configuration in the database does.
    shapes = [shape for shape in _SHAPES if info.optim_cls.__name__ != "Muon" or len(shape) == 2]
    parameters = [torch.nn.Parameter(numbers(shape).to(device)) for shape in shapes]
    keywords = {
        key: value.to(device) if isinstance(value, torch.Tensor) else value
        for key, value in copy.deepcopy(given.kwargs).items()
    }
    optimizer = info.optim_cls(parameters, **keywords)

    def loss() -> torch.Tensor:
        for parameter, given_gradient in zip(parameters, gradients, strict=True):
            parameter.grad = given_gradient.clone()
        return sum((parameter.detach() ** 2).sum() for parameter in parameters)

    seen = []
    for _ in range(_STEPS):
        gradients = [gradient(shape) for shape in shapes]
        loss()
        result = optimizer.step(loss) if info.step_requires_closure else optimizer.step()
        state = [dict(optimizer.state[parameter]) for parameter in parameters if parameter in optimizer.state]
        seen.append(copy.deepcopy([result, [parameter.detach() for parameter in parameters], state]))
    return seen
