"""What must raise: operands on two devices, writes to overlapping memory, bad indices; as on the CPU or on CUDA."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch_fl  # noqa: F401

MIXED = "Expected all tensors to be on the same device"


def ones(*shape: int, device: str = "flagos") -> torch.Tensor:
    return torch.ones(*shape, device=device)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ones(2, 2) + ones(2, 2, device="cpu"),
        lambda: ones(2, 2, device="cpu") + ones(2, 2),
        lambda: torch.mm(ones(2, 2), ones(2, 2, device="cpu")),
        lambda: torch.cat([ones(2), ones(2, device="cpu")]),
        lambda: torch.add(ones(2), ones(2), out=ones(2, device="cpu")),
        lambda: torch.add(ones(2, device="cpu"), ones(2, device="cpu"), out=ones(2)),
        lambda: ones(2).add_(ones(2, device="cpu")),
        lambda: torch.nn.functional.linear(ones(2, 3), ones(4, 3, device="cpu")),
        lambda: torch.where(ones(2) > 0, ones(2), ones(2, device="cpu")),
    ],
    ids=["add", "add, cpu first", "mm", "cat", "out= on cpu", "out= on flagos", "in place", "linear", "where"],
)
def test_operands_on_two_devices_are_refused(call: Callable[[], torch.Tensor]) -> None:
    with pytest.raises(RuntimeError, match=MIXED) as caught:
        call()
    assert "flagos:0" in str(caught.value)
    assert "cpu" in str(caught.value)


def test_refused_calls_lose_nothing() -> None:
    left, right = torch.arange(3.0, device="flagos"), torch.arange(3.0)
    with pytest.raises(RuntimeError, match=MIXED):
        left.add_(right)
    assert left.tolist() == right.tolist() == [0, 1, 2]
    assert (left + 1).tolist() == [1, 2, 3]


def test_indices_may_come_from_the_cpu() -> None:
    assert torch.arange(4.0, device="flagos")[torch.tensor([3, 1])].tolist() == [3, 1]


@pytest.mark.parametrize(
    "call",
    [
        lambda device: torch.ones(1, device=device).expand(4).add_(1),
        lambda device: (lambda x: x[1:].add_(x[:-1]))(torch.arange(5.0, device=device)),
        lambda device: (lambda x: torch.mul(x[:-1], 2, out=x[1:]))(torch.arange(5.0, device=device)),
        lambda device: torch.ones(1, device=device).expand(4).copy_(torch.arange(4.0, device=device)),
        lambda device: torch.ones(2, 2, device=device)[5],
        lambda device: torch.ones(2, 3, device=device).view(4),
        lambda device: torch.ones(3, device=device).as_strided((9,), (1,)),
        lambda device: torch.ones(2, dtype=torch.int64, device=device).div_(2.5),
        lambda device: torch.linalg.cholesky(-torch.eye(3, device=device)),
        lambda device: torch.linalg.inv(torch.zeros(3, 3, device=device)),
        lambda device: torch.nn.functional.embedding(torch.tensor([9], device=device), torch.ones(4, 2, device=device)),
        lambda device: torch.ones(3, device=device).requires_grad_().add_(1),
    ],
    ids=[
        "write to expanded",
        "in place over itself",
        "out= over operand",
        "copy to expanded",
        "index",
        "view size",
        "beyond storage",
        "result cannot be cast",
        "not positive definite",
        "singular",
        "embedding index",
        "leaf in place",
    ],
)
def test_raises_as_on_cpu(call: Callable[[str], torch.Tensor]) -> None:
    raised = {}
    for device in ("cpu", "flagos"):
        with pytest.raises((RuntimeError, IndexError)) as caught:
            call(device)
        raised[device] = caught.value
    assert type(raised["flagos"]) is type(raised["cpu"])
    assert str(raised["flagos"]).splitlines()[0] == str(raised["cpu"]).splitlines()[0]


def test_numpy_is_refused_as_on_any_accelerator() -> None:
    with pytest.raises(TypeError, match=r"can't convert flagos:0 device type tensor to numpy"):
        torch.ones(2, device="flagos").numpy()


def test_sparse_layouts_are_refused_with_a_reason() -> None:
    with pytest.raises(NotImplementedError, match=r"(?i)sparse"):
        torch.eye(3, device="flagos").to_sparse()


def test_device_out_of_range_is_refused() -> None:
    with pytest.raises((RuntimeError, ValueError), match=r"99"):
        torch.ones(1, device="flagos:99")
