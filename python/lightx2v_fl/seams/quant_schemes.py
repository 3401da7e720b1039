"""`dit_quant_scheme`: flagos, flagos-int8 and flagos-fp8 beside the schemes that LightX2V lists.

LightX2V asserts that the scheme of a quantised model is in a list written in
BaseTransformerModel._check_dit_quantized (models/networks/base_model.py), instead of asking its table of operators.
The check put in its place lets our three keys pass and asks the original for every other. MiniMax-H3 has a list of
its own, a set in its module, which gets our keys. Both modules are changed when they are imported, or at once where
they are already.

Remove this file when LightX2V looks the scheme up in MM_WEIGHT_REGISTER, or lets platforms add to the list.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

SCHEMES = ("flagos", "flagos-int8", "flagos-fp8")


def _accept_in_base_model(module: ModuleType) -> None:
    model = module.BaseTransformerModel
    original = model._check_dit_quantized
    if getattr(original, "_lightx2v_fl", False):
        return

    @functools.wraps(original)
    def check(self: Any) -> Any:
        return None if self.config.get("dit_quant_scheme", "Default") in SCHEMES else original(self)

    check._lightx2v_fl = True  # type: ignore[attr-defined]
    model._check_dit_quantized = check


def _accept_in_minimax_h3(module: ModuleType) -> None:
    module.H3_CHANNEL_QUANT_SCHEMES.update(SCHEMES[1:])


PATCHES: dict[str, Callable[[ModuleType], None]] = {
    "lightx2v.models.networks.base_model": _accept_in_base_model,
    "lightx2v.models.networks.minimax_h3.model": _accept_in_minimax_h3,
}


class _AfterImport(MetaPathFinder):
    """Finds the modules of PATCHES as Python would, and changes each when its code has run."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in PATCHES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Patching(spec.loader, PATCHES[name])  # type: ignore[assignment]
        return spec


class _Patching(Loader):
    def __init__(self, inner: Any, patch: Callable[[ModuleType], None]) -> None:
        self._inner, self._patch = inner, patch

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        self._patch(module)

    def __getattr__(self, name: str) -> Any:  # get_source and the like
        return getattr(self._inner, name)


def install() -> None:
    """Changes what is imported, and sees to it that the rest is changed on import. A second call does nothing."""
    for name, patch in PATCHES.items():
        module = sys.modules.get(name)
        if module is not None and not getattr(module.__spec__, "_initializing", False):
            patch(module)
    if not any(isinstance(finder, _AfterImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterImport())
