"""FlagGems on the device, under the names of the reference: a thin look at the routes."""

from __future__ import annotations

from torch_fl import routing

#: Targets that run FlagGems' kernels: called from C++, and through FlagGems' Python functions.
FLAGGEMS_TARGETS = ("flagos", "flagos_python")


def is_flaggems_enabled() -> bool:
    """Whether FlagGems' kernels can serve operators in this process; `routing.targets()` says why not."""
    return any(target.name in FLAGGEMS_TARGETS and target.present for target in routing.targets())


def get_registered_ops() -> list[str]:
    """The operators that have a routed kernel on the device, as conf files name them ("add.Tensor"), sorted."""
    return sorted({route.operator for route in routing.table()})
