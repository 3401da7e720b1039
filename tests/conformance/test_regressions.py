"""Traps of PyTorch's external devices that were met once: each test is the shortest program that fell into one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torch_fl  # noqa: F401


def in_process(program: str, **environment: str) -> Any:
    """Runs the program in a process of its own; its last line is JSON."""
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert child.returncode == 0, child.stderr[-3000:]
    return json.loads(child.stdout.splitlines()[-1])


# ---- Lazy conjugation and negation ----
def test_conj_clone_does_not_recurse() -> None:
    value = torch.tensor([1 + 2j, 3 - 4j])
    on_device = value.to("flagos").conj()
    assert on_device.is_conj()
    assert on_device.clone().resolve_conj().cpu().tolist() == value.conj().tolist()
    assert on_device.cpu().resolve_conj().tolist() == value.conj().tolist()


def test_neg_view_clone_does_not_recurse() -> None:
    value = torch.tensor([1 + 2j, 3 - 4j])
    on_device = value.to("flagos").conj().imag
    assert on_device.is_neg()
    assert on_device.clone().cpu().tolist() == [-2, 4]
    assert torch.zeros(2, device="flagos").copy_(on_device).tolist() == [-2, 4]


def test_operand_that_only_the_call_holds_outlives_out_resizing() -> None:
    # PyTorch materialises the conjugate into a temporary that nobody else keeps; out= must not get its memory.
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(3, 3, dtype=torch.complex64, generator=generator)
    right = torch.randn(3, 2, dtype=torch.complex64, generator=generator)
    results = {}
    for device in ("cpu", "flagos"):
        lu, pivots = torch.linalg.lu_factor(matrix.to(device))
        out = torch.empty(0, dtype=torch.complex64, device=device)
        torch.linalg.lu_solve(lu, pivots, right.to(device).conj(), out=out)
        results[device] = out.cpu().resolve_conj()
    torch.testing.assert_close(results["flagos"], results["cpu"])


def test_out_gets_the_conj_bit_that_the_kernel_sets() -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(2, 3, 3, dtype=torch.complex64, generator=generator)
    right = torch.randn(2, 3, 2, dtype=torch.complex64, generator=generator)
    for left in (True, False):
        operand = right if left else right.mT.contiguous()
        for adjoint in (True, False):
            results = {}
            for device in ("cpu", "flagos"):
                lu, pivots = torch.linalg.lu_factor(matrix.to(device))
                out = torch.empty_like(operand, device=device)
                torch.linalg.lu_solve(lu, pivots, operand.to(device), left=left, adjoint=adjoint, out=out)
                results[device] = out.cpu().resolve_conj()
            torch.testing.assert_close(results["flagos"], results["cpu"])


def test_efficientzerotensor_is_on_the_device() -> None:
    zero = torch._efficientzerotensor((2, 3), device="flagos")
    assert zero.device.type == "flagos"
    assert torch._C._is_zerotensor(zero) if hasattr(torch._C, "_is_zerotensor") else zero._is_zerotensor()
    assert (zero + torch.ones(2, 3, device="flagos")).sum().item() == 6


def test_forward_mode_derivative() -> None:
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(
            torch.ones(3, device="flagos"), torch.full((3,), 2.0, device="flagos")
        )
        tangent = torch.autograd.forward_ad.unpack_dual(dual * dual + torch.ones(3, device="flagos")).tangent
    assert tangent.tolist() == [4, 4, 4]


# ---- Kernels that only devices are asked for ----
@pytest.mark.parametrize("kind", [torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN])
def test_recurrent_modules_train(kind: type[torch.nn.Module]) -> None:
    torch.manual_seed(0)
    modules = {"cpu": kind(4, 5, num_layers=2, bidirectional=True)}
    modules["flagos"] = kind(4, 5, num_layers=2, bidirectional=True).to("flagos")
    modules["flagos"].load_state_dict(modules["cpu"].state_dict())
    operand = torch.randn(7, 3, 4)
    for device, module in modules.items():
        module(operand.to(device))[0].square().sum().backward()
    for left, right in zip(modules["cpu"].parameters(), modules["flagos"].parameters(), strict=True):
        torch.testing.assert_close(right.grad.cpu(), left.grad, rtol=1e-5, atol=1e-5)


def test_packed_sequences() -> None:
    torch.manual_seed(0)
    module, operand, lengths = torch.nn.LSTM(4, 5), torch.randn(6, 3, 4), torch.tensor([6, 4, 2])
    expected = torch.nn.utils.rnn.pad_packed_sequence(
        module(torch.nn.utils.rnn.pack_padded_sequence(operand, lengths))[0]
    )[0]
    packed = torch.nn.utils.rnn.pack_padded_sequence(operand.to("flagos"), lengths)
    actual = torch.nn.utils.rnn.pad_packed_sequence(module.to("flagos")(packed)[0])[0]
    torch.testing.assert_close(actual.cpu(), expected, rtol=1e-5, atol=1e-5)


def test_sdpa_takes_the_fused_kernel_and_trains() -> None:
    gradients = {}
    for device in ("cpu", "flagos"):
        torch.manual_seed(0)
        query, key, value = (torch.randn(1, 2, 5, 8).bfloat16().to(device).requires_grad_() for _ in range(3))
        F.scaled_dot_product_attention(query, key, value, is_causal=True).sum().backward()
        gradients[device] = query.grad.cpu()
    torch.testing.assert_close(gradients["flagos"], gradients["cpu"])


def test_silu_has_one_kernel_forward_and_backward() -> None:
    operand = torch.linspace(-4, 4, 33)
    gradients = [
        torch.autograd.grad(F.silu(leaf).sum(), leaf)[0].cpu()
        for leaf in (operand.clone().requires_grad_(), operand.to("flagos").requires_grad_())
    ]
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-6, atol=1e-6)


# ---- Storages and parameters ----
def test_a_view_saved_and_loaded_keeps_its_storage(tmp_path: Any) -> None:
    base = torch.arange(6.0, device="flagos")
    torch.save({"base": base, "view": base[2:]}, tmp_path / "file.pt")
    loaded = torch.load(tmp_path / "file.pt")
    loaded["view"].zero_()
    assert loaded["base"].tolist() == [0, 1, 0, 0, 0, 0]
    assert loaded["base"].device.type == "flagos"
    assert torch.load(tmp_path / "file.pt", map_location="cpu")["view"].tolist() == [2, 3, 4, 5]


def test_storage_resizes() -> None:
    tensor = torch.arange(4.0, device="flagos")
    tensor.untyped_storage().resize_(0)
    tensor.untyped_storage().resize_(16)
    assert tensor.fill_(3).tolist() == [3, 3, 3, 3]


def test_module_to_keeps_parameters_and_an_optimizer_made_before() -> None:
    torch.manual_seed(0)
    module = torch.nn.Linear(3, 2)
    parameter, optimizer = module.weight, torch.optim.Adam(module.parameters(), lr=0.1)
    module.to("flagos")
    assert module.weight is parameter
    module(torch.ones(1, 3, device="flagos")).sum().backward()
    before = parameter.detach().clone()
    optimizer.step()
    assert optimizer.state[parameter]["exp_avg"].device.type == "flagos"
    assert not torch.equal(parameter, before)


# ---- Devices, streams, processes ----
def test_backward_over_two_devices() -> None:
    told = in_process(
        """
        import json, torch, torch_fl
        first = torch.nn.Linear(4, 4).to("flagos:0")
        second = torch.nn.Linear(4, 4).to("flagos:1")
        operand = torch.ones(2, 4, device="flagos:0", requires_grad=True)
        second(first(operand).to("flagos:1")).sum().backward()
        try:
            torch.ones(2, device="flagos:0") + torch.ones(2, device="flagos:1")
            mixed = "accepted"
        except RuntimeError as error:
            mixed = str(error)
        devices = [str(operand.grad.device), str(second.weight.grad.device)]
        print(json.dumps([torch.flagos.device_count(), *devices, mixed]))
        """,
        FLAGOS_DRIVER="host",
        FLAGOS_HOST_DEVICES="2",
    )
    assert told[:3] == [2, "flagos:0", "flagos:1"]
    assert "same device" in told[3]


@pytest.mark.parametrize("driver", ["host", "sim"])
def test_a_process_that_ends_right_after_a_backward_pass_ends_well(driver: str) -> None:
    # On one CPU and with the GIL kept, autograd's thread still holds the pass when Python ends.
    told = in_process(
        """
        import os, sys, torch, torch_fl
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        sys.setswitchinterval(100)
        operand = torch.ones(2, device="flagos", requires_grad=True)
        operand.sum().backward()
        print(operand.grad.tolist())
        """,
        FLAGOS_DRIVER=driver,
    )
    assert told == [1, 1]


def test_a_child_of_fork_ends_well_although_its_parent_ran_a_backward_pass() -> None:
    told = in_process(
        """
        import json, os, sys, torch, torch_fl
        torch.ones(2, device="flagos", requires_grad=True).sum().backward()
        child = os.fork()
        if child == 0:
            sys.stderr = os.fdopen(os.dup(1), "w")  # what went wrong at exit would be the last line
            sys.exit(0)
        print(json.dumps(os.waitpid(child, 0)[1]))
        """,
        FLAGOS_DRIVER="host",
    )
    assert told == 0


def test_fork_works_on_in_the_child() -> None:
    told = in_process(
        """
        import json, os, torch, torch_fl
        weights = torch.arange(4.0, device="flagos")
        assert (weights + 1).sum().item() == 10
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            made = torch.ones(4, device="flagos", requires_grad=True)
            (weights * made).sum().backward()
            os.write(write, json.dumps(made.grad.tolist()).encode())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(json.dumps([status, json.loads(os.read(read, 1000)), weights.tolist()]))
        """,
        FLAGOS_DRIVER="host",
    )
    assert told == [0, [0, 1, 2, 3], [0, 1, 2, 3]]


def test_workers_of_a_data_loader_make_and_pin_batches() -> None:
    told = in_process(
        """
        import json, torch, torch_fl
        if __name__ == "__main__":
            torch.ones(1, device="flagos")
            rows = torch.utils.data.TensorDataset(torch.arange(8.0))
            loader = torch.utils.data.DataLoader(rows, batch_size=2, num_workers=2, pin_memory=True)
            batches = [batch.to("flagos", non_blocking=True) for (batch,) in loader]
            print(json.dumps([sum(batch.sum().item() for batch in batches), next(iter(loader))[0].is_pinned()]))
        """
    )
    assert told == [28, True]


def test_autograd_threads_see_the_stream_of_the_forward() -> None:
    stream = torch.Stream(device="flagos")
    with stream:
        operand = torch.ones(3, device="flagos", requires_grad=True)
        (operand * 2).sum().backward()
    stream.synchronize()
    assert operand.grad.tolist() == [2, 2, 2]


def test_checkpointing_replays_dropout() -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Dropout(0.5)).to("flagos")
    operand = torch.randn(4, 8).to("flagos").requires_grad_()
    gradients = []
    for use in (False, True):
        torch.manual_seed(1)
        run = torch.utils.checkpoint.checkpoint(module, operand, use_reentrant=False) if use else module(operand)
        gradients.append(torch.autograd.grad(run.sum(), operand)[0])
    assert torch.equal(*gradients)
