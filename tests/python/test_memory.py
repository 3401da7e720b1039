"""Memory statistics say what happened, limits hold, and what is out of memory loses nothing."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import torch

flagos = torch.flagos
MIB = 2**20


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    gc.collect()
    flagos.empty_cache()
    yield
    flagos.set_per_process_memory_fraction(1.0)


def test_an_allocation_is_counted_and_given_back() -> None:
    before = flagos.memory_allocated()
    x = torch.empty(4 * MIB, dtype=torch.uint8, device="flagos")
    assert flagos.memory_allocated() - before >= 4 * MIB
    assert flagos.memory_reserved() >= flagos.memory_allocated()
    del x
    assert flagos.memory_allocated() == before
    assert flagos.memory_reserved() >= before + 4 * MIB  # cached
    flagos.empty_cache()
    assert flagos.memory_reserved() < before + 4 * MIB


def test_the_peak_is_kept_until_it_is_reset() -> None:
    x = torch.empty(8 * MIB, dtype=torch.uint8, device="flagos")
    del x
    assert flagos.max_memory_allocated() >= flagos.memory_allocated() + 8 * MIB
    flagos.reset_peak_memory_stats()
    assert flagos.max_memory_allocated() == flagos.memory_allocated()
    assert flagos.max_memory_reserved() == flagos.memory_reserved()


def test_accumulated_counts_start_again() -> None:
    torch.empty(MIB, device="flagos")
    assert flagos.memory_stats()["allocation.all.allocated"] > 0
    flagos.reset_accumulated_memory_stats()
    assert flagos.memory_stats()["allocation.all.allocated"] == 0
    torch.empty(MIB, device="flagos")
    assert flagos.memory_stats()["allocation.all.allocated"] == 1


def test_stats_have_the_keys_of_torch_and_nest() -> None:
    flat, nested = flagos.memory_stats(), flagos.memory_stats_as_nested_dict()
    assert list(flat) == sorted(flat)
    assert set(torch.accelerator.memory_stats()) <= set(flat) | {"num_device_alloc", "num_device_free"}
    for key, value in flat.items():
        level = nested
        for part in key.split("."):
            level = level[part]
        assert level == value


def test_requested_bytes_are_what_was_asked_for() -> None:
    before = flagos.memory_stats()["requested_bytes.all.current"]
    x = torch.empty(1000, dtype=torch.uint8, device="flagos")
    assert flagos.memory_stats()["requested_bytes.all.current"] - before == 1000
    del x


def test_a_snapshot_holds_the_live_block() -> None:
    x = torch.empty(3 * MIB, dtype=torch.uint8, device="flagos")
    blocks = [block for segment in flagos.memory_snapshot() for block in segment["blocks"]]
    live = next(block for block in blocks if block["address"] == x.data_ptr())
    assert live["size"] >= 3 * MIB
    assert live["state"] == "active_allocated"


def test_a_summary_reads_as_a_table() -> None:
    x = torch.empty(4 * MIB, dtype=torch.uint8, device="flagos")
    summary, short = flagos.memory_summary(), flagos.memory_summary(abbreviated=True)
    assert "Allocated memory" in short
    assert "large blocks" in summary
    assert "large blocks" not in short
    assert "MiB" in short
    del x


def test_free_and_total() -> None:
    free, total = flagos.mem_get_info()
    assert 0 < free <= total == flagos.get_device_properties().total_memory
    assert 0 <= flagos.device_memory_used() < total


def test_beyond_the_fraction_is_out_of_memory_and_loses_nothing() -> None:
    kept = torch.arange(1000, device="flagos")
    flagos.set_per_process_memory_fraction(0.01)
    assert flagos.get_per_process_memory_fraction() == pytest.approx(0.01)
    ooms = flagos.memory_stats()["num_ooms"]
    with pytest.raises(torch.OutOfMemoryError, match="flagos:0"):
        torch.empty(flagos.get_device_properties().total_memory // 20, dtype=torch.uint8, device="flagos")
    assert flagos.memory_stats()["num_ooms"] == ooms + 1
    assert kept.sum().item() == 499500
    flagos.set_per_process_memory_fraction(1.0)
    assert torch.ones(MIB, device="flagos").sum().item() == MIB


def test_more_than_there_is_is_out_of_memory() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        torch.empty(2**50, dtype=torch.uint8, device="flagos")
    assert issubclass(flagos.OutOfMemoryError, torch.OutOfMemoryError)


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.5, float("nan")])
def test_a_fraction_that_is_none_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="fraction"):
        flagos.set_per_process_memory_fraction(fraction)
    with pytest.raises(TypeError):
        flagos.set_per_process_memory_fraction("half")


def test_raw_blocks() -> None:
    before = flagos.memory_allocated()
    address = flagos.caching_allocator_alloc(MIB, "flagos", flagos.current_stream())
    assert flagos.memory_allocated() - before >= MIB
    flagos.caching_allocator_delete(address)
    assert flagos.memory_allocated() == before
    with pytest.raises(ValueError, match="no block at address"):
        flagos.caching_allocator_delete(address)
    with pytest.raises(ValueError, match="cannot allocate -1 bytes"):
        flagos.caching_allocator_alloc(-1)


def test_pinned_memory_is_counted() -> None:
    before = flagos.host_memory_stats()["allocated_bytes.current"]
    pinned = torch.empty(MIB, dtype=torch.uint8).pin_memory()
    assert pinned.is_pinned()
    assert flagos.host_memory_stats()["allocated_bytes.current"] - before >= MIB
    assert flagos.host_memory_stats_as_nested_dict()["allocated_bytes"]["peak"] >= MIB
    del pinned
    flagos.empty_host_cache()
    flagos.reset_peak_host_memory_stats()
    flagos.reset_accumulated_host_memory_stats()
    assert flagos.host_memory_stats()["allocation.allocated"] == 0
