"""Makes `flagos` a device of PyTorch, through PyTorch's registration functions and nothing else.

What `import torch_fl` changes in torch: the attribute torch.flagos, the name of the PrivateUse1 device, and the methods
that PyTorch generates for such a device (Tensor.flagos, Tensor.is_flagos, Module.flagos, ... on storages and packed
sequences too). In Python's multiprocessing it changes how tensors are pickled (sharing.py), and at exit it waits for
autograd's threads (exiting.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from flagos import libraries

DEVICE = "flagos"
_UNNAMED = "privateuseone"


def register() -> None:
    """Loads the library built for this PyTorch and registers the device. Once a process; later calls do nothing.

    Raises ImportError when there is no library for this PyTorch or when another backend has PyTorch's one place for
    external devices. Nothing is registered then.
    """
    taken = torch._C._get_privateuse1_backend_name()
    if taken not in (_UNNAMED, DEVICE):
        raise ImportError(
            f"flagos: PyTorch has one place for an external device and '{taken}' has it in this process; run flagos in "
            f"a process that does not import that backend, or set TORCH_DEVICE_BACKEND_AUTOLOAD=0 if PyTorch loaded it"
        )
    if hasattr(torch, DEVICE):
        return
    torch.ops.load_library(libraries.plugin(torch.__version__))
    torch.ops.flagos.routing_shipped_folder(str(Path(__file__).resolve().parent))
    torch.utils.rename_privateuse1_backend(DEVICE)

    from torch_fl import exiting, flagos, sharing

    torch._register_device_module(DEVICE, flagos)
    sys.modules[f"torch.{DEVICE}.amp"] = flagos.amp  # `import torch.flagos.amp` finds the module that is there already
    torch.utils.generate_methods_for_privateuse1_backend(
        for_tensor=True, for_module=True, for_packed_sequence=True, for_storage=True
    )
    sharing.register()
    exiting.register()
