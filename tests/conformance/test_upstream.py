"""PyTorch's own device-generic test machinery runs on the device: one class, made by instantiate_device_type_tests.

The backend is imported first, because the machinery lists its devices at import. One class a module: a second one would
be renamed after the first by PyTorch's setUpClass.
"""

from __future__ import annotations

import torch
import torch_fl  # noqa: F401  (before torch.testing._internal)
from torch.testing._internal.common_device_type import dtypes, instantiate_device_type_tests, ops
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_utils import TestCase

CHOSEN = {"add", "mul", "matmul", "softmax", "layer_norm", "nn.functional.conv2d", "index_select", "linalg.qr", "sort"}
ENTRIES = [op for op in op_db if op.name in CHOSEN and not op.variant_test_name]


class TestOnDevice(TestCase):
    @ops(ENTRIES, allowed_dtypes=(torch.float32,))
    def test_forward_and_backward(self, device: str, dtype: torch.dtype, op: object) -> None:
        checked = 0
        for sample in op.sample_inputs(device, dtype, requires_grad=True):
            result = sample.output_process_fn_grad(op(sample.input, *sample.args, **sample.kwargs))
            first = result[0] if isinstance(result, (tuple, list)) else result
            assert first.device.type == "flagos"
            if first.requires_grad:
                first.sum().backward()
            checked += 1
        assert checked > 0

    @dtypes(torch.float32, torch.float64, torch.complex64, torch.int64, torch.bool)
    def test_round_trip(self, device: str, dtype: torch.dtype) -> None:
        host = torch.ones(3, 4).to(dtype)
        assert torch.equal(host.to(device).cpu(), host)


instantiate_device_type_tests(TestOnDevice, globals(), only_for=("flagos",))


def test_the_machinery_made_tests_for_the_device() -> None:
    made = [name for group in list(globals().values()) if isinstance(group, type) for name in vars(group)]
    assert sum("_flagos" in name for name in made) >= len(ENTRIES) + 5
