"""`out=` of another size than the result: PyTorch resizes it, kernels of FlagGems write into memory as it stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch_fl
from flagos.flaggems import derived, package
from flagos.route_tuning import calls
from flagos.triton.native import launch_count
from torch.utils._pytree import tree_map
from torch_fl import routing

pytestmark = [
    pytest.mark.flaggems_python,
    pytest.mark.skipif(isinstance(package.find(), str), reason=str(package.find())),
    pytest.mark.filterwarnings("ignore:An output with one or more elements was resized"),
]


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    routing.reset()


def with_outputs() -> list[str]:
    package_found = package.find()
    entries = [] if isinstance(package_found, str) else [*package_found.entries, *derived.FUNCTIONS]
    found = [(entry, calls.overload(entry)) for entry in entries]
    return [entry for entry, op in found if op is not None and any(a.is_out for a in op._schema.arguments)]


def on_device(value: Any) -> Any:
    return value.to("flagos") if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize("shape", [(0,), (3,)], ids=["empty", "wrong"])
@pytest.mark.parametrize("entry", with_outputs())
def test_an_output_gets_the_size_of_the_result(entry: str, shape: tuple[int, ...]) -> None:
    op = calls.overload(entry)
    made = next(filter(None, (calls.calls(entry, dtype, 1) for dtype in calls.DTYPES)))
    args, kwargs = made[0]
    names = [argument.name for argument in op._schema.arguments if argument.is_out]
    expected = {name: torch.empty(shape, dtype=kwargs[name].dtype) for name in names}
    actual = {name: tensor.to("flagos") for name, tensor in expected.items()}
    op(*args, **{**kwargs, **expected})
    before = launch_count()
    with routing.override(op, "flagos"):
        op(*tree_map(on_device, args), **{**tree_map(on_device, kwargs), **actual})
    assert launch_count() > before, "no compiled kernel was launched"
    for name in names:
        torch.testing.assert_close(actual[name].cpu(), expected[name], equal_nan=True)


def test_a_size_that_nobody_knows_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    x, out = torch.ones(4, device="flagos"), torch.empty(2, dtype=torch.int32, device="flagos")
    with routing.override("exp", "flagos, cpu"), pytest.raises(RuntimeError, match="can't be cast"):
        torch.exp(x, out=out)
    with routing.override("exp", "flagos"), pytest.raises(NotImplementedError, match="not known beforehand"):
        torch.exp(x, out=out)
    assert torch_fl.is_flaggems_enabled()
