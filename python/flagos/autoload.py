"""What `import torch` calls (entry point group torch.backends): registers the device when that takes nothing away.

A registered device becomes torch.accelerator's current one and the default of pinned memory, so beside an accelerator
of PyTorch's own it is registered only on demand: FLAGOS_AUTOLOAD=1 or `import torch_fl`. This module is apart from
torch_fl, so that where the answer is no, nothing of flagos is imported but these lines.
"""

from __future__ import annotations

import sys

# What kept the device from being registered, for `flagos doctor`. `import torch_fl` meets it again and raises it.
error: Exception | None = None


def autoload() -> None:
    """Registers the device, or does nothing. Never raises: PyTorch would turn that into a failure of `import torch`."""
    global error
    if "torch_fl" in sys.modules:
        return  # `import torch_fl` came first and is at this point importing torch: it registers the device itself
    try:
        if _wanted():
            import torch_fl  # noqa: F401  importing registers
    except Exception as raised:  # whatever it is, it must not become an error of `import torch`
        error = raised


def _wanted() -> bool:
    from flagos import core

    asked = core.variable("FLAGOS_AUTOLOAD")
    if asked:
        return asked not in ("0", "off", "false", "no")
    return not _has_own_accelerator()


def _has_own_accelerator() -> bool:
    """Whether PyTorch has a usable accelerator without us. Counts devices, which opens none of them."""
    import torch

    accelerator = torch.accelerator.current_accelerator()
    return accelerator is not None and torch.get_device_module(accelerator).device_count() > 0
