"""torch.compile for flagos.

Note [Compiling for flagos]
Inductor has its code for CPUs behind some sixty tests for the device type "cpu", so registering its C++ code generator
for another device type yields wrong code or none. On a device whose memory the host can use, a graph for flagos is
therefore handed to Inductor as a graph for cpu (retarget.py), and views of the same memory go in and out of what it
compiles. Inductor leaves no seam for that, so one of its functions is wrapped (inductor_retarget.py). It is wrapped
when Inductor first asks for the code generators of this device: torch.flagos.Scheduling, in flagos/__init__.py. Hence
torch.compile(m) and torch.compile(m, backend="flagos") are the same thing, and a program that compiles nothing loads
nothing of this.
"""

from __future__ import annotations

from typing import Any

import torch


def backend(graph: torch.fx.GraphModule, example_inputs: list[Any], **options: Any) -> Any:
    """The torch.compile backend "flagos": Inductor, with the mode and options of torch.compile."""
    return torch._TorchCompileInductorWrapper(options.get("mode"), options.get("options"), dynamic=None)(
        graph, example_inputs
    )
