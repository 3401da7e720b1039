"""Tensors on their way: files, copies, pickles, loaders, processes, numpy, DLPack."""

from __future__ import annotations

import copy
import io
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
import torch.multiprocessing as multiprocessing
from torch.utils.data import DataLoader, TensorDataset

flagos = torch.flagos
host_access = pytest.mark.skipif(
    "host_access" not in flagos.get_device_properties().capabilities,
    reason="the host cannot read this driver's memory in place",
)


def tensor() -> torch.Tensor:
    return torch.arange(12.0, device="flagos").view(3, 4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64])
def test_save_and_load(dtype: torch.dtype) -> None:
    x = tensor().to(dtype)
    file = io.BytesIO()
    torch.save({"whole": x, "row": x[1], "transposed": x.T}, file)
    file.seek(0)
    loaded = torch.load(file)
    assert {t.device for t in loaded.values()} == {torch.device("flagos:0")}
    assert torch.equal(loaded["whole"], x)
    assert loaded["transposed"].stride() == (1, 4)
    loaded["whole"][1, 2] = 1
    assert loaded["row"][2].item() == 1  # they share storage as they did


@pytest.mark.parametrize(
    ("where", "device"),
    [
        ("cpu", "cpu"),
        ("flagos", "flagos:0"),
        ("flagos:0", "flagos:0"),
        (torch.device("flagos"), "flagos:0"),
        ({"flagos:0": "cpu"}, "cpu"),
        (lambda storage, location: storage, "cpu"),
    ],
)
def test_map_location(where: Any, device: str) -> None:
    file = io.BytesIO()
    torch.save(tensor(), file)
    file.seek(0)
    loaded = torch.load(file, map_location=where)
    assert loaded.device == torch.device(device)
    assert torch.equal(loaded.cpu(), tensor().cpu())


def test_a_cpu_file_loads_onto_the_device(tmp_path: Path) -> None:
    torch.save(torch.arange(5), tmp_path / "x.pt")
    for options in ({}, {"mmap": True}):
        assert torch.load(tmp_path / "x.pt", map_location="flagos", **options).tolist() == [0, 1, 2, 3, 4]


def test_a_location_that_does_not_exist_is_refused() -> None:
    file = io.BytesIO()
    torch.save(torch.ones(1), file)
    file.seek(0)
    with pytest.raises((RuntimeError, ValueError), match=r"device 63 but torch\.flagos\.device_count"):
        torch.load(file, map_location="flagos:63")


def test_copies_and_pickles() -> None:
    x = tensor()
    for twin in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert twin.device == x.device
        assert torch.equal(twin, x)
    module = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3)).to("flagos")
    twin = copy.deepcopy(module)
    assert [p.device.type for p in twin.parameters()] == ["flagos"] * 4
    assert twin[0].weight.data_ptr() != module[0].weight.data_ptr()


def test_moving_a_module_keeps_its_parameters() -> None:
    module = torch.nn.Linear(4, 4)
    weight = module.weight
    optimizer = torch.optim.AdamW(module.parameters())
    module.flagos()
    assert module.weight is weight
    module(torch.ones(1, 4, device="flagos")).sum().backward()
    before = weight.detach().clone()
    optimizer.step()
    assert not torch.equal(before, weight)
    assert optimizer.state[weight]["exp_avg"].device.type == "flagos"


def test_generated_methods() -> None:
    x = torch.ones(2).flagos()
    assert x.is_flagos
    assert not torch.ones(2).is_flagos
    assert x.type() == "torch.flagos.FloatTensor"
    assert torch.ones(2).type("torch.flagos.FloatTensor").is_flagos


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_pins_and_feeds_the_device(workers: int) -> None:
    data = TensorDataset(torch.arange(8.0).view(8, 1), torch.arange(8))
    loader = DataLoader(data, batch_size=4, num_workers=workers, pin_memory=True)
    total = 0.0
    for values, labels in loader:
        assert values.is_pinned()
        total += (
            (values.to("flagos", non_blocking=True).squeeze(1) * labels.to("flagos", non_blocking=True)).sum().item()
        )
    assert total == sum(i * i for i in range(8))


def test_a_loader_of_device_tensors() -> None:
    loader = DataLoader(TensorDataset(tensor()), batch_size=2, generator=torch.Generator().manual_seed(0), shuffle=True)
    assert {batch.device.type for (batch,) in loader} == {"flagos"}


def test_numpy_asks_for_a_copy_first() -> None:
    with pytest.raises(TypeError, match="flagos:0"):
        tensor().numpy()
    assert tensor().numpy(force=True).sum() == 66


@host_access
def test_a_host_view_is_the_same_memory() -> None:
    x = tensor()
    view = flagos.host_view(x.T)
    assert view.device.type == "cpu"
    assert view.stride() == x.T.stride()
    assert view.data_ptr() == x.data_ptr()
    view[0, 0] = 100
    assert x[0, 0].item() == 100
    array = view.numpy()
    del x, view
    assert array[0, 0] == 100  # the view keeps the memory


@host_access
def test_from_host_is_the_same_memory() -> None:
    host = torch.arange(6.0)
    x = flagos.from_host(host, "flagos")
    x.mul_(2)
    assert host.tolist() == [0, 2, 4, 6, 8, 10]
    assert (x @ x).item() == 220


def test_views_of_the_wrong_side_are_refused() -> None:
    with pytest.raises(ValueError, match="host_view takes a flagos tensor, not one on cpu"):
        flagos.host_view(torch.ones(1))
    with pytest.raises((ValueError, NotImplementedError), match="from_host takes a cpu tensor"):
        flagos.from_host(tensor())


def test_dlpack_is_zero_copy() -> None:
    x = tensor()
    for back in (
        flagos.from_dlpack(flagos.to_dlpack(x)),
        flagos.from_dlpack(x),
        torch.utils.dlpack.from_dlpack(x.__dlpack__()),
    ):
        assert back.device == x.device
        assert back.data_ptr() == x.data_ptr()
        assert torch.equal(back, x)
    assert flagos.from_dlpack(numpy.arange(3)).tolist() == [0, 1, 2]


def test_a_dlpack_capsule_is_used_once() -> None:
    capsule = flagos.to_dlpack(tensor())
    flagos.from_dlpack(capsule)
    with pytest.raises(RuntimeError):
        flagos.from_dlpack(capsule)
    with pytest.raises(BufferError, match="detach"):
        flagos.to_dlpack(tensor().requires_grad_())


@pytest.mark.xfail(raises=ValueError, reason="Tensor.__dlpack_device__ of PyTorch knows no name but 'privateuse1'")
def test_dlpack_by_the_method_of_tensor() -> None:
    assert torch.from_dlpack(tensor()).device.type == "flagos"


def test_safetensors_by_index(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")
    safetensors.save_file({"x": tensor()}, tmp_path / "x.safetensors")
    loaded = safetensors.load_file(tmp_path / "x.safetensors", device=0)["x"]
    assert loaded.device == torch.device("flagos:0")
    assert torch.equal(loaded, tensor())


def _double(queue: Any, done: Any, x: torch.Tensor, weight: torch.nn.Parameter) -> None:
    queue.put((x * 2, weight, x.dtype))
    done.get(timeout=120)


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_tensors_reach_another_process_and_come_back(method: str) -> None:
    if method == "fork" and "fork_safe" not in flagos.get_device_properties().capabilities:
        pytest.skip("this driver's devices end at fork")
    context = multiprocessing.get_context(method)
    queue, done = context.Queue(), context.Queue()
    weight = torch.nn.Parameter(torch.ones(2, device="flagos"))
    worker = context.Process(target=_double, args=(queue, done, tensor().to(torch.bfloat16).T, weight))
    worker.start()
    x, returned, dtype = queue.get(timeout=120)
    done.put(None)
    worker.join(120)
    assert worker.exitcode == 0
    assert x.device == torch.device("flagos:0")
    assert x.dtype == dtype == torch.bfloat16
    assert x.stride() == (1, 4)
    assert torch.equal(x, tensor().to(torch.bfloat16).T * 2)
    assert isinstance(returned, torch.nn.Parameter)
    assert returned.requires_grad
    assert torch.equal(returned, weight)


def test_a_tensor_with_a_history_is_not_sent() -> None:
    from multiprocessing.reduction import ForkingPickler

    with pytest.raises(RuntimeError, match="detach"):
        ForkingPickler.dumps(tensor().requires_grad_() * 2)


def test_cpu_tensors_go_pytorchs_own_way() -> None:
    from multiprocessing.reduction import ForkingPickler

    shared = torch.ones(3).share_memory_()
    twin = pickle.loads(bytes(ForkingPickler.dumps(shared)))
    twin[0] = 5
    assert shared[0].item() == 5


def test_threads_share_the_device() -> None:
    weight, results = torch.arange(16.0, device="flagos").view(4, 4), []

    def work() -> None:
        results.append((weight @ weight).sum().item())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 1


def test_autocast_and_scaler_by_their_names() -> None:
    with flagos.amp.autocast(dtype=torch.bfloat16):
        assert (tensor() @ tensor().T).dtype == torch.bfloat16
    assert flagos.get_amp_supported_dtype() == [torch.float16, torch.bfloat16]
    scaler = flagos.amp.GradScaler(init_scale=4.0)
    weight = torch.nn.Parameter(torch.ones(3, device="flagos"))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scaler.scale(weight.sum()).backward()
    assert weight.grad.tolist() == [4, 4, 4]
    scaler.step(optimizer)
    scaler.update()
    assert weight.tolist() == [0, 0, 0]
