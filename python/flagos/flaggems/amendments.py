"""What is done to modules of FlagGems right after they were imported, because the package leaves no other seam.

AFTER maps a module to the function that gets it. Each says why, and what would make it go.
"""

from __future__ import annotations

import enum
import functools
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

from flagos.flaggems import tuning
from flagos.flaggems.package import VENDOR

#: Pointwise kernels: elements of a block, and programs of a grid beyond which each takes several blocks.
POINTWISE_TILE = 4096
POINTWISE_GRID = 65536

#: Elements that the sort goes through at least: a strip of the compiler's.
SHORTEST_TILE = 16


def _add_vendor(common: ModuleType) -> None:
    """FlagGems' vendors are a closed Enum, which cannot be extended: another one takes its place.

    Goes when FlagGems takes vendors from outside.
    """
    members = {member.name: member.value for member in common.vendors}
    members[VENDOR.upper()] = max(members.values()) + 1
    extended = enum.Enum("vendors", members, module=common.__name__)
    extended.get_all_vendors = classmethod(lambda cls: {member.name.lower(): member for member in cls})
    common.vendors = extended


def _serve_tuning(backend_utils: ModuleType) -> None:
    """Tuning files are looked for inside of the package only. Goes when a vendor may bring its own."""
    of_package = backend_utils.get_tune_config

    @functools.wraps(of_package)
    def get_tune_config(vendor_name: str | None = None, *args: Any, **kwargs: Any) -> Any:
        if vendor_name == VENDOR:
            return tuning.tuning_file()
        return of_package(vendor_name, *args, **kwargs)

    backend_utils.get_tune_config = get_tune_config


def _serve_pointwise(codegen: ModuleType) -> None:
    """The general table ends in another vendor's tile; ours is an entry of its own, as for every vendor there."""
    ours = codegen.vendors[VENDOR.upper()]
    codegen.CODEGEN_COFIGS[ours] = codegen.CodeGenConfig(
        POINTWISE_TILE, (POINTWISE_GRID,) * 3, 1, True, prefer_1d_tile=False
    )
    codegen.HEURISTICS_CONFIG[ours] = lambda tile_size: 1


class _TilesOfRows:
    """A kernel over rows in tiles, launched with tiles no longer than a power of two that holds a row.

    The grid, which is for the tiles as they were, stays the same: only what is shorter than one tile is changed.
    """

    def __init__(self, kernel: Any, row: str, tile: str) -> None:
        self._kernel = kernel
        self._row, self._tile = kernel.arg_names.index(row), kernel.arg_names.index(tile)

    def __getitem__(self, grid: Any) -> Callable[..., Any]:
        def launch(*args: Any) -> Any:
            fitting = max(SHORTEST_TILE, 1 << (args[self._row] - 1).bit_length())
            tile = min(args[self._tile], fitting)
            return self._kernel[grid](*args[: self._tile], tile, *args[self._tile + 1 :])

        return launch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kernel, name)


def _fit_sort(sort: ModuleType) -> None:
    """The radix sort has tiles of 1024 and 2048 whatever it sorts: with rows of four, 2044 lanes of each are idle, and
    the time goes into them. Goes when its tiles come of a tuning file or a heuristic."""
    sort.compute_global_hist_kernel = _TilesOfRows(sort.compute_global_hist_kernel, "n", "TILE_N")
    sort.sweep = _TilesOfRows(sort.sweep, "N", "TILE_N")


AFTER: dict[str, Callable[[ModuleType], None]] = {
    "flag_gems.runtime.common": _add_vendor,
    "flag_gems.runtime.backend.backend_utils": _serve_tuning,
    "flag_gems.utils.codegen_config_utils": _serve_pointwise,
    "flag_gems.ops.sort": _fit_sort,
}


#: Autotuned kernels that have their one configuration: modules import kernels from each other.
_settled: weakref.WeakSet[Any] = weakref.WeakSet()


def keep_one_configuration(module: ModuleType) -> None:
    """Leaves each autotuned kernel of the module one configuration, so that no call times candidates.

    For kernels whose candidates are written in the source; goes when those too can be given by a tuning file.
    """
    from triton.runtime.autotuner import Autotuner, Heuristics

    for value in list(vars(module).values()):
        while value is not None:
            if isinstance(value, Autotuner) and value not in _settled:
                _settled.add(value)
                kernel, candidates = value.base_fn.__name__, value.configs
                value.configs = [tuning.choose(kernel, candidates)]
                if bounds := tuning.bounds(kernel, candidates):
                    value.fn = Heuristics(value.fn, value.arg_names, bounds)
            value = getattr(value, "fn", None)
