"""flagos: one PyTorch device for every AI chip. This package holds the `flagos` command and what needs no PyTorch;
the device itself is `import torch_fl`."""

from __future__ import annotations

__version__ = "0.1.0"
