"""The tiles of FlagGems' radix sort: no longer than the rows, and long enough for them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch_fl  # noqa: F401  registers the device, and the import hook of flag_gems
from flagos.flaggems import package

pytestmark = [
    pytest.mark.flaggems_python,
    pytest.mark.skipif(isinstance(package.find(), str), reason=str(package.find())),
]


class _Recorder:
    """Stands in for a kernel: what it is launched with."""

    arg_names = ("arr_ptr", "n", "TILE_N", "descending")

    def __init__(self) -> None:
        self.launches: list[tuple[Any, tuple[Any, ...]]] = []

    def __getitem__(self, grid: Any) -> Any:
        return lambda *args: self.launches.append((grid, args))


@pytest.mark.parametrize(("row", "tile"), [(2, 16), (16, 16), (17, 32), (1000, 1024), (1024, 1024), (5000, 1024)])
def test_a_tile_is_no_longer_than_a_row_needs(row: int, tile: int) -> None:
    from flagos.flaggems.amendments import _TilesOfRows

    kernel = _Recorder()
    _TilesOfRows(kernel, "n", "TILE_N")[(7, 1)]("data", row, 1024, True)
    assert kernel.launches == [((7, 1), ("data", row, tile, True))]


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool])
@pytest.mark.parametrize("row", [2, 16, 17, 1000, 1025, 2049])
def test_rows_of_any_length_are_sorted_and_ties_stay_in_order(row: int, dtype: torch.dtype) -> None:
    from flag_gems.ops.sort import sort_stable

    x = torch.randint(-3, 4, (3, row)).to(dtype)
    for descending in (False, True):
        expected = torch.sort(x, stable=True, descending=descending)
        actual = sort_stable(x.to("flagos"), stable=True, descending=descending)
        assert torch.equal(actual[0].cpu(), expected.values)
        assert torch.equal(actual[1].cpu(), expected.indices)
