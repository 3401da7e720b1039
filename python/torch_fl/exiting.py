"""Lets autograd's threads finish before Python does.

PyTorch runs the backward pass of a device on a thread of the device's own. The caller goes on when the pass is done,
maybe before the thread has let go of it, and a pass holds a Python object (torch.autograd.graph stashes the caller's
context). A thread that gives a Python object back while the interpreter ends is ended by it in the middle of a
destructor, and the process aborts: "terminate called without an active exception". So each device's thread is waited
for before. Any device of PyTorch 2.13 has the race; https://github.com/pytorch/pytorch/issues/190489.

To be removed when PyTorch's ConcretePyInterpreterVTable::decref asks whether Python is ending before it takes the GIL.
"""

from __future__ import annotations

import atexit
import os

import torch


def register() -> None:
    atexit.register(_finish)
    # PyTorch refuses backward passes in a child of fork whose parent ran one; the threads stayed with the parent.
    os.register_at_fork(after_in_child=lambda: atexit.unregister(_finish))


def _finish() -> None:
    operators = torch.ops.flagos
    if not operators.devices_found():
        return
    with torch.enable_grad():
        for device in range(operators.device_count()):
            if operators.device_opened(device) and operators.device_works(device):
                operators.finish_backward(device)
