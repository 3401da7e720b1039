"""torch_fl: the PyTorch device `flagos`. Importing it registers the device; `torch_fl.flagos` is also `torch.flagos`.

    import torch, torch_fl
    x = torch.randn(8, 8, device="flagos")

Environment and conf files are read at the first use of the device, not here.
"""

from __future__ import annotations

import torch

from torch_fl import registration

registration.register()

from torch_fl import flagos, integration, routing  # noqa: E402  they need the registered operators
from torch_fl.integration import get_registered_ops, is_flaggems_enabled  # noqa: E402

integration.register()

__version__ = torch.ops.flagos.version()

__all__ = ["flagos", "get_registered_ops", "integration", "is_flaggems_enabled", "routing"]
