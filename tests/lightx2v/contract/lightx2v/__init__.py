"""The framework's package: importing it chooses the device, then fills the final tables."""

import lightx2v_platform.set_ai_device  # noqa: F401

import lightx2v.utils.registry_factory  # noqa: F401
