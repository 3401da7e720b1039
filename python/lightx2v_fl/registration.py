"""register(): the device and the operators, under their keys, in the tables from which LightX2V takes them.

Note [Which tables]
LightX2V copies its staging tables (lightx2v_platform.registry_factory) once into those that models read
(lightx2v.utils.registry_factory), when the latter is imported. Before that, an entry belongs in the staging table, and
only there: the copy refuses a key that it meets twice. Afterwards it belongs in the final table. Devices have the
staging table alone.

Note [What register() may import]
It runs before LightX2V has chosen its device. A module of LightX2V's operators that is imported then keeps None for the
device for good, and the final tables, imported then, would miss the platform's own operators. So this file
imports the staging tables and nothing else of LightX2V, and no module of this package imports LightX2V at its top.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, MutableMapping
from importlib import import_module
from types import ModuleType
from typing import Any

from lightx2v_fl import journal

# Operator key -> (staging table, final table, module, class). The names are those of the reference page.
OPERATORS: dict[str, tuple[str, str, str, str]] = {
    "flagos_flash_attn": ("PLATFORM_ATTN_WEIGHT_REGISTER", "ATTN_WEIGHT_REGISTER", "attention", "FlashAttention"),
    "flagos": ("PLATFORM_MM_WEIGHT_REGISTER", "MM_WEIGHT_REGISTER", "linear", "Linear"),
    "flagos-fp8": ("PLATFORM_MM_WEIGHT_REGISTER", "MM_WEIGHT_REGISTER", "quantized_linear", "Fp8Linear"),
    "flagos-int8": ("PLATFORM_MM_WEIGHT_REGISTER", "MM_WEIGHT_REGISTER", "quantized_linear", "Int8Linear"),
    "flagos_rms_norm": ("PLATFORM_RMS_WEIGHT_REGISTER", "RMS_WEIGHT_REGISTER", "rms_norm", "RmsNorm"),
    "flagos_layer_norm": ("PLATFORM_LAYERNORM_WEIGHT_REGISTER", "LN_WEIGHT_REGISTER", "layer_norm", "LayerNorm"),
    "flagos_rope": ("PLATFORM_ROPE_REGISTER", "ROPE_REGISTER", "rope", "Rope"),
}
DEVICES = ("flagos", "fl")

_STAGING = "lightx2v_platform.registry_factory"
_FINAL = "lightx2v.utils.registry_factory"


def register() -> None:
    """Registers what is not registered yet. Any number of times, at any time, from any place.

    ModuleNotFoundError when LightX2V cannot be imported. A key that somebody else has taken stays theirs, and is
    told. A device that cannot work here says why when LightX2V asks for it: see device.py.
    """
    staging = import_module(_STAGING)
    final = _complete(sys.modules.get(_FINAL))
    device = import_module("lightx2v_fl.device").FlagosDevice
    for key in DEVICES:
        _put(staging.PLATFORM_DEVICE_REGISTER, key, device)
    for key, (staging_table, final_table, module, name) in OPERATORS.items():
        operator = getattr(import_module(f"lightx2v_fl.ops.{module}"), name)
        table = getattr(staging, staging_table) if final is None else getattr(final, final_table)
        _put(table, key, operator)


def state() -> dict[str, str]:
    """For each key where it is registered: "staging", "final", "not registered", or who else has it."""
    staging, final = sys.modules.get(_STAGING), sys.modules.get(_FINAL)
    told = {key: _where(staging, "PLATFORM_DEVICE_REGISTER", key, "staging") for key in DEVICES}
    for key, (staging_table, final_table, _, _) in OPERATORS.items():
        place = _where(final, final_table, key, "final")
        told[key] = place if place != "not registered" else _where(staging, staging_table, key, "staging")
    return told


def _complete(module: ModuleType | None) -> ModuleType | None:
    """The final tables, or None while there are none. In the middle of their import they have not copied yet."""
    spec = getattr(module, "__spec__", None)
    return None if module is None or getattr(spec, "_initializing", False) else module


def _put(table: MutableMapping[str, Callable[..., Any]], key: str, ours: Callable[..., Any]) -> None:
    theirs = table.get(key)
    if theirs is None:
        table[key] = ours
    elif theirs is not ours:
        journal.warning(
            f"lightx2v_fl: the key '{key}' belongs to {theirs.__module__}.{theirs.__qualname__} and stays so"
        )


def _where(module: ModuleType | None, table: str, key: str, name: str) -> str:
    entry = getattr(module, table, {}).get(key)
    if entry is None:
        return "not registered"
    return name if entry.__module__.startswith("lightx2v_fl.") else f"{entry.__module__}.{entry.__qualname__}"
