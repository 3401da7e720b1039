"""The vendor `flagos` as FlagGems looks for it: a top-level package `_flagos`, and `torch.backends.flagos`.

Both are modules without a file, put where Python finds loaded modules.
"""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

from flagos.flaggems import fused, heuristics, overrides
from flagos.flaggems.package import VENDOR

#: Functions of FlagGems that are not registered for this vendor when its own enable() is called.
UNUSED_OPERATORS: tuple[str, ...] = ()

INFORMATION = SimpleNamespace(
    vendor_name=VENDOR,
    device_name="flagos",
    device_query_cmd="true",
    dispatch_key="PrivateUse1",
    triton_extra_name="flagos",
)


def _module(name: str, **contents: object) -> ModuleType:
    module = ModuleType(name, f"Provided by {__name__}.")
    module.__dict__.update(contents)
    sys.modules[name] = module
    return module


def provide() -> None:
    """Makes the vendor importable; what stands there already is kept."""
    if "_flagos" in sys.modules:
        return
    # FlagGems looks for the math library of kernels by the name of the vendor, and in one place by the general one.
    import triton.language.extra.libdevice  # noqa: F401

    from flagos.triton import libdevice

    sys.modules["triton.language.extra.flagos"] = ModuleType("triton.language.extra.flagos")
    sys.modules["triton.language.extra.flagos.libdevice"] = libdevice

    _module(
        "_flagos",
        __path__=[],
        vendor_info=INFORMATION,
        CUSTOMIZED_UNUSED_OPS=UNUSED_OPERATORS,
        ops=_module("_flagos.ops", **overrides.FUNCTIONS),
        fused=_module("_flagos.fused", **fused.FUNCTIONS),
        heuristics_config_utils=_module("_flagos.heuristics_config_utils", HEURISTICS_CONFIGS=heuristics.HEURISTICS),
    )
    if "torch.backends.flagos" not in sys.modules:
        _module("torch.backends.flagos")
