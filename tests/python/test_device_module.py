"""torch.flagos has what torch.cuda has; devices are named in every usual way."""

from __future__ import annotations

import pytest
import torch
import torch_fl
from torch_fl.flagos.absent import ABSENT

from .process import output_of


@pytest.mark.parametrize("module", [torch.cuda, torch.accelerator], ids=["torch.cuda", "torch.accelerator"])
def test_every_public_name_is_there_or_has_a_reason(module: object) -> None:
    names = {name for name in dir(module) if not name.startswith("_")}
    missing = {name for name in names if name not in dir(torch.flagos) and name != "default_generators"}
    assert missing - set(ABSENT) == set()


def test_no_reason_is_given_for_what_is_there() -> None:
    assert [name for name in ABSENT if name in dir(torch.flagos)] == []


def test_every_exported_name_exists() -> None:
    assert [name for name in torch.flagos.__all__ if not hasattr(torch.flagos, name)] == []


def test_an_absent_name_raises_its_reason() -> None:
    with pytest.raises(AttributeError, match=r"torch\.flagos has no 'CUDAGraph': no driver offers the group graph/1"):
        torch.flagos.CUDAGraph  # noqa: B018
    with pytest.raises(AttributeError, match="has no attribute 'no_such_thing'"):
        torch.flagos.no_such_thing  # noqa: B018
    assert not hasattr(torch.flagos, "nvtx")


def test_the_module_is_one() -> None:
    import torch.flagos as by_torch

    assert by_torch is torch_fl.flagos is torch.get_device_module("flagos")


@pytest.mark.parametrize("device", [None, 0, "flagos", "flagos:0", torch.device("flagos"), torch.device("flagos", 0)])
def test_a_device_is_named_in_every_usual_way(device: object) -> None:
    flagos = torch.flagos
    assert flagos.get_device_properties(device) == flagos.get_device_properties(0)
    assert flagos.memory_allocated(device) >= 0
    assert flagos.current_stream(device).device == torch.device("flagos:0")
    assert flagos.get_rng_state(device).dtype == torch.uint8
    flagos.synchronize(device)
    with flagos.device(device):
        assert flagos.current_device() == 0


@pytest.mark.parametrize(
    ("device", "error", "text"),
    [
        (64, ValueError, "there is no device flagos:64; this process has"),
        (-1, ValueError, "there is no device flagos:-1"),
        ("flagos:99", ValueError, "there is no device flagos:99"),
        ("cpu", ValueError, "expected a flagos device, but got 'cpu'"),
        ("toaster", RuntimeError, "toaster"),
        (1.5, TypeError, "not float"),
        (True, TypeError, "not bool"),
        (torch.zeros(1), TypeError, "not Tensor"),
    ],
)
def test_what_names_no_device_is_refused(device: object, error: type[Exception], text: str) -> None:
    for function in (
        torch.flagos.get_device_name,
        torch.flagos.synchronize,
        torch.flagos.memory_stats,
        torch.flagos.Stream,
    ):
        with pytest.raises(error, match=text):
            function(device)
    assert torch.ones(2, device="flagos").sum().item() == 2  # the process goes on


def test_a_tensor_on_a_device_that_does_not_exist_is_refused() -> None:
    with pytest.raises((ValueError, RuntimeError), match="there is no device flagos:40"):
        torch.ones(1, device="flagos:40")
    with pytest.raises((ValueError, RuntimeError), match="there is no device flagos:40"):
        torch.flagos.set_device(40)
    assert torch.flagos.current_device() == 0


def test_properties_are_those_of_the_machine() -> None:
    properties = torch.flagos.get_device_properties()
    assert properties.name == torch.flagos.get_device_name()
    assert properties.arch in torch.flagos.get_arch_list()
    assert properties.total_memory > 2**20
    assert properties.multi_processor_count >= 1
    assert properties.alignment >= 64
    assert (properties.major, properties.minor) == torch.flagos.get_device_capability()


@pytest.mark.parametrize(
    ("arch", "level"), [("x86-64-v4", (4, 0)), ("sm_90", (9, 0)), ("sm_120", (12, 0)), ("riscv", (0, 0))]
)
def test_capability_is_the_number_of_the_arch(arch: str, level: tuple[int, int]) -> None:
    from torch_fl.flagos.device import _capability

    assert _capability(arch) == level


def test_torch_accelerator_is_flagos() -> None:
    accelerator = torch.accelerator
    assert accelerator.current_accelerator() == torch.device("flagos")
    assert accelerator.is_available()
    assert accelerator.device_count() == torch.flagos.device_count()
    assert accelerator.current_device_index() == torch.flagos.current_device()
    assert torch.float32 in accelerator.get_device_capability()["supported_dtypes"]
    assert accelerator.get_memory_info()[1] == torch.flagos.mem_get_info()[1]
    assert accelerator.memory_stats()["reserved_bytes.all.current"] == torch.flagos.memory_reserved()


def test_two_devices() -> None:
    program = """
    import torch, torch_fl
    f = torch.flagos
    print(f.device_count(), f.can_device_access_peer(0, 1), f.can_device_access_peer("flagos:1", 1))
    with f.device("flagos:1"):
        print(f.current_device(), torch.ones(1, device="flagos").device)
        with f.device(-1):
            print(f.current_device())
    with f.device_of(torch.ones(1, device="flagos:1")):
        print(f.current_device())
    with f.device_of(torch.ones(1)):
        print(f.current_device())
    f.set_device(torch.device("flagos", 1))
    print(f.current_device(), f.current_stream().device)
    torch.manual_seed(3)
    a, b = torch.randn(4, device="flagos:0"), torch.randn(4, device="flagos:1")
    print(torch.equal(a.cpu(), b.cpu()), torch.equal(a, b.to("flagos:0")))
    print(len(f.get_rng_state_all()), len(f.default_generators))
    try:
        a + b
    except RuntimeError as error:
        print(error)
    """
    lines = output_of(program, FLAGOS_DRIVER="host", FLAGOS_HOST_DEVICES="2").splitlines()
    assert lines[0].startswith("2 ")
    assert lines[0].endswith(" True")
    assert lines[1:8] == ["1 flagos:1", "1", "1", "0", "1 flagos:1", "True True", "2 2"]
    assert "Expected all tensors to be on the same device" in lines[8]
