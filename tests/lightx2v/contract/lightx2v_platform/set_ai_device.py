"""Choosing the device: plugins by the entry points of lightx2v.platform_plugins (with CONTRACT_WITHOUT_SCAN: not, as in
old versions), then the device of PLATFORM, then the platform's own operators.
"""

from __future__ import annotations

import os
from importlib.metadata import entry_points

from lightx2v_platform import registry_factory
from lightx2v_platform.base import global_var

failures: list[str] = []


def set_ai_device() -> None:
    platform = os.environ.get("PLATFORM", "cuda")
    if not os.environ.get("CONTRACT_WITHOUT_SCAN"):
        for point in entry_points(group="lightx2v.platform_plugins"):
            try:
                point.load()()
            except Exception as error:  # the framework logs it and goes on
                failures.append(f"{point.name}: {error}")
    registry_factory.PLATFORM_DEVICE_REGISTER.setdefault("in_tree", _InTree)
    device = registry_factory.PLATFORM_DEVICE_REGISTER.get(platform)
    if device is None:
        raise RuntimeError(f"Unsupported PLATFORM: {platform}; plugins that failed: {failures}")
    global_var.PLATFORM, global_var.AI_DEVICE = platform, device.get_device()
    device.init_device_env()
    if not device.is_available():
        raise RuntimeError(f"the device of {platform} is not available")
    if platform == "in_tree" and "in_tree_attn" not in registry_factory.PLATFORM_ATTN_WEIGHT_REGISTER:
        registry_factory.PLATFORM_ATTN_WEIGHT_REGISTER.register("in_tree_attn", _InTree)


class _InTree:
    """A platform that is not the plugin's."""

    get_device = staticmethod(lambda: "cpu")
    is_available = staticmethod(lambda: True)
    init_device_env = staticmethod(lambda: None)


set_ai_device()
