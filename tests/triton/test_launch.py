"""Launches: what may be an argument, on which device it may lie, and what is said when it may not."""

import gc
import weakref

import pytest
import torch
import torch_fl  # noqa: F401  the device flagos
import triton
import triton.language as tl
from flagos.triton import launcher, native


@triton.jit
def copy_kernel(x, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, tl.load(x + i, mask=i < n), mask=i < n)


def copied(x, out):
    copy_kernel[(triton.cdiv(x.numel(), 16),)](x, out, x.numel(), BLOCK=16)
    return out


def test_cpu_and_flagos_tensors_in_one_process_and_in_one_call():
    x = torch.randn(40)
    assert torch.equal(copied(x, torch.zeros(40)), x)
    assert torch.equal(copied(x.to("flagos"), torch.zeros(40, device="flagos")).cpu(), x)
    assert torch.equal(copied(x, torch.zeros(40, device="flagos")).cpu(), x)


def test_parameters_subclasses_and_views():
    class Named(torch.Tensor):
        pass

    x = torch.randn(64)
    assert torch.equal(copied(torch.nn.Parameter(x), torch.zeros(64)), x)
    assert torch.equal(copied(x.as_subclass(Named), torch.zeros(64)), x)
    assert torch.equal(copied(x[10:50], torch.zeros(40)), x[10:50])


def test_a_lazy_copy_becomes_one_before_the_kernel_writes_it():
    x = torch.zeros(16)
    lazy = torch._lazy_clone(x)
    copied(torch.ones(16), lazy)
    assert torch.equal(x, torch.zeros(16))
    assert torch.equal(lazy, torch.ones(16))


def test_addresses_and_none():
    x, out = torch.randn(16), torch.zeros(16)
    pointer = triton.runtime.jit.reinterpret(x, torch.float32)  # another object with a data_ptr()
    assert torch.equal(copied_from(pointer, out), x)


def copied_from(pointer, out):
    copy_kernel[(1,)](pointer, out, 16, BLOCK=16)
    return out


def test_empty_tensors_and_empty_grids():
    out = torch.zeros(16)
    copy_kernel[(0,)](torch.ones(16), out, 16, BLOCK=16)
    copy_kernel[(4, 0, 3)](torch.ones(16), out, 16, BLOCK=16)
    copy_kernel[(1,)](torch.empty(0), out, 0, BLOCK=16)
    assert torch.equal(out, torch.zeros(16))


@triton.jit
def place_kernel(out):
    x, y, z = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    at = x + tl.num_programs(0) * (y + tl.num_programs(1) * z)
    tl.store(out + at, x + 100 * y + 10000 * z)


def test_a_grid_of_three_dimensions():
    out = torch.full((3 * 4 * 5,), -1, dtype=torch.int32)
    place_kernel[(3, 4, 5)](out)
    z, y, x = torch.meshgrid(torch.arange(5), torch.arange(4), torch.arange(3), indexing="ij")
    assert torch.equal(out, (x + 100 * y + 10000 * z).flatten().int())


@pytest.mark.parametrize("grid", [(-1,), (2**32,), (1, -5)])
def test_a_grid_that_cannot_be_is_refused(grid):
    with pytest.raises(ValueError, match="programs along"):
        copy_kernel[grid](torch.ones(16), torch.ones(16), 16, BLOCK=16)


def test_a_grid_of_something_else_is_refused():
    with pytest.raises(TypeError, match=r"integers, not of 1\.5"):
        copy_kernel[(1.5,)](torch.ones(16), torch.ones(16), 16, BLOCK=16)


def test_a_tensor_of_a_device_without_a_target_is_refused_by_name():
    with pytest.raises(native.KernelError, match="a tensor on 'meta'"):
        copied(torch.empty(16, device="meta"), torch.zeros(16))


class Opaque:
    dtype = torch.float32


def test_an_object_that_is_no_tensor_is_refused_by_the_argument_s_name():
    compiled = copy_kernel.warmup(torch.float32, torch.float32, 16, BLOCK=16, grid=(1,))
    with pytest.raises(TypeError, match=r"'x' wants a tensor, an object with a data_ptr\(\) or None, not .*Opaque"):
        compiled[(1, 1, 1)](Opaque(), torch.zeros(16), 16, 16)


@triton.jit
def integers_kernel(out, a: tl.int8, b: tl.uint8, c: tl.int64):
    tl.store(out, a.to(tl.int64))
    tl.store(out + 1, b.to(tl.int64))
    tl.store(out + 2, c)


def test_integers_at_the_ends_of_their_types():
    out = torch.zeros(3, dtype=torch.int64)
    integers_kernel[(1,)](out, -128, 255, -(2**63))
    assert out.tolist() == [-128, 255, -(2**63)]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((128, 0, 0), "'a': 128 does not fit into its type i8"),
        ((0, -1, 0), "'b': -1 does not fit into its type u8"),
        ((0, 0, 2**63), f"'c': {2**63} does not fit into its type i64"),
    ],
)
def test_an_integer_out_of_range_is_refused_with_its_name(values, text):
    with pytest.raises(OverflowError, match=text):
        integers_kernel[(1,)](torch.zeros(3, dtype=torch.int64), *values)


@triton.jit
def halves_kernel(out, a: tl.float16, b: tl.bfloat16):
    tl.store(out, a.to(tl.float32))
    tl.store(out + 1, b.to(tl.float32))


@pytest.mark.parametrize("value", [0.1, 1 / 3, -2.00390625, 1e30, float("inf"), 6e-8])
def test_half_precision_scalars_are_rounded_to_nearest(value):
    out = torch.zeros(2)
    halves_kernel[(1,)](out, value, value)
    want = [torch.tensor(value, dtype=dtype).float() for dtype in (torch.float16, torch.bfloat16)]
    assert out.tolist() == want


def test_hooks_are_called_around_a_launch():
    seen = []
    hooks = triton.knobs.runtime.launch_enter_hook, triton.knobs.runtime.launch_exit_hook

    def enter(metadata):
        seen.append(("enter", metadata.get()["name"]))

    def leave(metadata):
        seen.append(("exit", metadata.get()["name"]))

    hooks[0].add(enter)
    hooks[1].add(leave)
    try:
        copied(torch.ones(4), torch.zeros(4))
    finally:
        hooks[0].remove(enter)
        hooks[1].remove(leave)
    assert seen == [("enter", "copy_kernel"), ("exit", "copy_kernel")]


def test_a_hook_that_fails_stops_the_launch():
    def failing(metadata):
        raise RuntimeError("no")

    out = torch.zeros(4)
    triton.knobs.runtime.launch_enter_hook.add(failing)
    try:
        with pytest.raises(RuntimeError, match="no"):
            copied(torch.ones(4), out)
    finally:
        triton.knobs.runtime.launch_enter_hook.remove(failing)
    assert torch.equal(out, torch.zeros(4))


def test_launches_keep_no_tensor_alive():
    x = torch.ones(16)
    copied(x, torch.zeros(16))
    gone = weakref.ref(x)
    del x
    gc.collect()
    assert gone() is None


def test_the_extension_uses_the_limited_api_alone():
    assert launcher.configured().__file__.endswith("_flagos_launcher.abi3.so")
    assert launcher._learn_tensors()
