"""The staging tables: a mapping that refuses a key that it has when it is registered or merged, not when it is set."""

from __future__ import annotations

from typing import Any


class Table(dict):
    def register(self, key: str, value: Any) -> None:
        if key in self:
            raise RuntimeError(f"{key} already exists")
        self[key] = value

    def merge(self, other: Table) -> None:
        for key, value in other.items():
            self.register(key, value)


PLATFORM_DEVICE_REGISTER = Table()
PLATFORM_ATTN_WEIGHT_REGISTER = Table()
PLATFORM_MM_WEIGHT_REGISTER = Table()
PLATFORM_RMS_WEIGHT_REGISTER = Table()
PLATFORM_LAYERNORM_WEIGHT_REGISTER = Table()
PLATFORM_ROPE_REGISTER = Table()
PLATFORM_FUSED_MOE_REGISTER = Table()
