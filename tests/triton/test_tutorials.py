"""The tutorials' kernels on cpu and flagos tensors, and on those of the simulated accelerator."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch_fl  # noqa: F401  the device flagos

from tests.triton.tutorials import CHECKS

ROOT = Path(__file__).parents[2]
CASES = [(check, dtype) for check, dtypes in CHECKS.values() for dtype in dtypes]
NAMES = [f"{name}-{str(dtype)[6:]}" for name, (_, dtypes) in CHECKS.items() for dtype in dtypes]


@pytest.mark.parametrize("device", ["cpu", "flagos"])
@pytest.mark.parametrize(("check", "dtype"), CASES, ids=NAMES)
def test_kernels_of_the_tutorials(device, check, dtype):
    torch.manual_seed(0)
    check(device, dtype)


@pytest.mark.parametrize("device", ["flagos:0", "flagos:1"])
def test_kernels_of_the_tutorials_on_the_simulated_accelerator(device):
    environment = {**os.environ, "FLAGOS_DRIVER": "sim"}
    command = [sys.executable, "-m", "tests.triton.tutorials", device]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == list(CHECKS)


ON_SIM = """
import torch, torch_fl
from flagos.triton import native
from tests.triton.tutorials import softmax_kernel

x = torch.randn(4, 100)
want = torch.softmax(x, 1)
on = x.to("flagos:0")
out = torch.empty_like(on)
softmax_kernel[(2,)](out, on, 100, 100, 4, 100, BLOCK=128)

# On a stream of its own, ordered behind what fills the input there.
side = torch.flagos.Stream()
late, late_out = torch.zeros_like(on), torch.empty_like(on)
torch.flagos.synchronize()
with torch.flagos.stream(side):
    late.copy_(on)
    softmax_kernel[(2,)](late_out, late, 100, 100, 4, 100, BLOCK=128)
side.synchronize()
torch.testing.assert_close(late_out.cpu(), want)
torch.testing.assert_close(out.cpu(), want)

if torch.flagos.device_count() > 2:
    here = torch.empty(4, 100)
    softmax_kernel[(2,)](here, x, 100, 100, 4, 100, BLOCK=128)
    torch.testing.assert_close(here, want)
    for other in (torch.empty(4, 100), torch.empty(4, 100, device="flagos:1")):
        try:
            softmax_kernel[(2,)](other, on, 100, 100, 4, 100, BLOCK=128)
        except ValueError as error:
            print(error)
else:
    try:
        softmax_kernel[(2,)](torch.empty(4, 100), x, 100, 100, 4, 100, BLOCK=128)
    except native.KernelError as error:
        print(error)
"""


def on_sim(drivers):
    environment = {**os.environ, "FLAGOS_DRIVER": drivers}
    command = [sys.executable, "-c", ON_SIM]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def test_launches_on_sim_follow_the_current_stream_and_devices_do_not_mix():
    first, second = on_sim("sim,host")
    assert (
        first == "the kernel's argument 'x' is on flagos:0, others are on this host's memory; move them to one device"
    )
    assert second == "the kernel's argument 'x' is on flagos:0, others are on flagos:1; move them to one device"


def test_cpu_tensors_need_the_host_driver():
    (said,) = on_sim("sim")
    assert "name it in FLAGOS_DRIVER, for example FLAGOS_DRIVER=sim,host" in said
