"""Copies between host and device, within a device and between devices: every dtype pair and layout, as on the CPU."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch_fl  # noqa: F401

DTYPES = (
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.complex64,
    torch.complex128,
)


def values(dtype: torch.dtype, *size: int) -> torch.Tensor:
    """Small whole numbers: every dtype holds them, so that a conversion has one right answer."""
    count = torch.Size(size).numel()
    return (torch.arange(count) % 7).reshape(size).to(dtype)


@pytest.mark.parametrize(
    ("to", "of"), list(itertools.product(DTYPES, DTYPES)), ids=lambda d: str(d).removeprefix("torch.")
)
@pytest.mark.filterwarnings("ignore:Casting complex values to real")
def test_every_pair_of_dtypes_in_every_direction(to: torch.dtype, of: torch.dtype) -> None:
    source = values(of, 3, 5)
    expected = torch.zeros(3, 5, dtype=to).copy_(source)
    on_device = torch.zeros(3, 5, dtype=to, device="flagos").copy_(source)
    assert torch.equal(on_device.cpu(), expected)
    back = torch.zeros(3, 5, dtype=to).copy_(source.to("flagos"))
    assert torch.equal(back, expected)
    within = torch.zeros(3, 5, dtype=to, device="flagos").copy_(source.to("flagos"))
    assert torch.equal(within.cpu(), expected)


LAYOUTS = {
    "contiguous": lambda t: t,
    "transposed": lambda t: t.transpose(0, 1),
    "strided": lambda t: t[:, ::2],
    "offset": lambda t: t[1:, 1:],
    "permuted": lambda t: t.permute(2, 0, 1),
    "channels last": lambda t: t[None].contiguous(memory_format=torch.channels_last)[0],
    "flipped": lambda t: t.flip(0),
    "0-dim": lambda t: t[0, 0, 0],
    "empty": lambda t: t[:0],
    "conjugated": lambda t: t.to(torch.complex64).mul(1 + 2j).conj(),
    "negated": lambda t: torch._neg_view(t),
    "one row for all": lambda t: t[:1].expand(4, -1, -1),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_goes_there_and_back(layout: str) -> None:
    source = LAYOUTS[layout](values(torch.float32, 4, 6, 5))
    there = source.to("flagos")
    assert there.stride() == source.clone(memory_format=torch.preserve_format).stride()
    assert torch.equal(there.cpu(), source.resolve_conj().resolve_neg())
    viewed = LAYOUTS[layout](values(torch.float32, 4, 6, 5).to("flagos"))
    assert torch.equal(viewed.cpu(), source.resolve_conj().resolve_neg())
    assert torch.equal(viewed.clone().cpu(), source.resolve_conj().resolve_neg())


@pytest.mark.parametrize(
    "layout", [name for name in LAYOUTS if name not in ("flipped", "conjugated", "one row for all")]
)
def test_a_copy_writes_through_a_view_and_nowhere_else(layout: str) -> None:
    expected, actual = values(torch.float32, 4, 6, 5), values(torch.float32, 4, 6, 5).to("flagos")
    if layout == "channels last":  # a copy of its own
        expected, actual = LAYOUTS[layout](expected), LAYOUTS[layout](actual)
        layout = "contiguous"
    LAYOUTS[layout](expected).fill_(0).add_(3)
    view = LAYOUTS[layout](actual)
    view.copy_(torch.full(view.shape, 3.0))
    assert torch.equal(actual.cpu(), expected)


def test_a_copy_broadcasts() -> None:
    actual = torch.zeros(4, 3, 5, device="flagos")
    actual.copy_(values(torch.int32, 3, 1))
    assert torch.equal(actual.cpu(), values(torch.float32, 3, 1).expand(4, 3, 5))


def test_a_view_onto_its_own_storage_copies_as_on_the_cpu() -> None:
    expected, actual = values(torch.float32, 8, 8), values(torch.float32, 8, 8).to("flagos")
    expected[:4].copy_(expected[4:].clone())
    actual[:4].copy_(actual[4:])
    assert torch.equal(actual.cpu(), expected)


def test_pinned_memory_copies_without_blocking() -> None:
    source = values(torch.float32, 1 << 16).pin_memory()
    assert source.is_pinned()
    there = source.to("flagos", non_blocking=True)
    back = torch.empty_like(source).pin_memory()
    back.copy_(there, non_blocking=True)
    torch.flagos.synchronize()
    assert torch.equal(back, source)


def test_between_devices() -> None:
    if torch.flagos.device_count() < 2:
        pytest.skip("this driver has one device here; tests/python/test_on_sim.py runs this file with two")
    source = values(torch.float32, 4, 6, 5).to("flagos:0")
    for layout in ("contiguous", "transposed", "strided"):
        there = LAYOUTS[layout](source).to("flagos:1")
        assert there.device == torch.device("flagos:1")
        assert torch.equal(there.cpu(), LAYOUTS[layout](source).cpu())


def test_what_cannot_be_copied_is_refused_and_loses_nothing() -> None:
    x = torch.ones(3, device="flagos")
    with pytest.raises(RuntimeError, match="size of tensor"):
        x.copy_(torch.ones(4))
    with pytest.raises(NotImplementedError, match="meta"):
        x.copy_(torch.ones(3, device="meta"))
    with pytest.raises(NotImplementedError, match="strided"):
        torch.ones(3, 3).to_sparse().to("flagos")
    assert torch.equal(x.cpu(), torch.ones(3))
