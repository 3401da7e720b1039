"""The platform class behind PLATFORM=flagos (also `fl`): LightX2V uses the class itself and calls its five functions.

What cannot work is said where LightX2V asks for the device: get_device() raises the reason that torch_fl gave, so that
the user reads it instead of "Unsupported PLATFORM".
"""

from __future__ import annotations

import os

from lightx2v_fl import collectives, flaggems, journal
from lightx2v_fl.kernels import supply
from lightx2v_fl.seams import quant_schemes, safe_open

_prepared = False


class FlagosDevice:
    """flagos as a platform of LightX2V."""

    name = "flagos"

    @staticmethod
    def get_device() -> str:
        """The device type for torch.device, "flagos:0" and torch.flagos. Registers the device in PyTorch at the first
        call.

        ImportError with torch_fl's own text when it cannot be."""
        import torch_fl  # noqa: F401  importing registers

        return "flagos"

    @staticmethod
    def is_available() -> bool:
        """Whether there is a flagos device: on a machine without an accelerator the host is one. Never raises."""
        try:
            import torch_fl

            return torch_fl.flagos.device_count() > 0
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            journal.warning(f"lightx2v_fl: flagos has no device here: {error}")
            return False

    @staticmethod
    def init_device_env() -> None:
        """Called by LightX2V once the device is chosen: puts the two seams in place that it lacks. Once a process.

        ValueError for a variable of the plugin that has no usable value: told here, not at the call that reads it."""
        global _prepared
        if _prepared:
            return
        supply.check_settings()
        _prepared = True
        safe_open.install()
        quant_schemes.install()
        flaggems.route_all_if_asked()

    @staticmethod
    def init_parallel_env() -> None:
        """Binds this rank to its device and makes the default process group: see collectives.py."""
        collectives.init_process_group(os.environ)
