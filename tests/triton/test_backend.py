"""The backend as Triton and its users see it: arguments, errors, autotuning, caches."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import triton
import triton.language as tl
from flagos.triton import image, native
from flagos.triton.versions import check


@triton.jit
def scale_kernel(x, out, n, factor, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, tl.load(x + i, mask=i < n) * factor, mask=i < n)


@triton.jit
def refused_kernel(x, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    v = tl.load(x + i)
    v = tl.inline_asm_elementwise("neg.s32 $0, $1;", "=r,r", [v], dtype=tl.float32, is_pure=True, pack=1)
    tl.store(x + i, v)


def test_what_cannot_be_lowered_names_the_operation_and_the_line_of_the_kernel():
    with pytest.raises(native.CompileError) as caught:
        refused_kernel[(1,)](torch.zeros(16), BLOCK=16)
    line = refused_kernel.fn.__code__.co_firstlineno + 4
    assert f"{Path(__file__).name}:{line}: kernel 'refused_kernel': the operation 'tt.elementwise_inline_asm'" in str(
        caught.value
    )


def test_a_tensor_elsewhere_is_refused_by_name():
    with pytest.raises(native.KernelError, match="given a tensor on 'meta'"):
        scale_kernel[(1,)](torch.zeros(4, device="meta"), torch.zeros(4), 4, 2.0, BLOCK=16)


class Wrapped:
    """What some libraries hand to kernels in place of a tensor."""

    def __init__(self, tensor):
        self.tensor = tensor
        self.dtype = tensor.dtype

    def data_ptr(self):
        return self.tensor.data_ptr()


def test_objects_that_only_have_a_data_pointer():
    x, out = torch.randn(10), torch.empty(10)
    scale_kernel[(1,)](Wrapped(x), Wrapped(out), 10, 3.0, BLOCK=16)
    assert torch.equal(out, x * 3)


@triton.jit
def tuple_kernel(pointers, out, bias, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    v = tl.load(pointers[0] + i) + tl.load(pointers[1] + i)
    if bias is not None:
        v += tl.load(bias + i)
    tl.store(out + i, v)


def test_tuples_and_none_as_arguments():
    x, y, bias, out = (torch.randn(16) for _ in range(4))
    tuple_kernel[(1,)]((x, y), out, None, BLOCK=16)
    assert torch.equal(out, x + y)
    tuple_kernel[(1,)]((x, y), out, bias, BLOCK=16)
    assert torch.equal(out, x + y + bias)


@triton.jit
def scalars_kernel(out, a, b, c, d):
    tl.store(out, a.to(tl.float64))
    tl.store(out + 1, b.to(tl.float64))
    tl.store(out + 2, c.to(tl.float64))
    tl.store(out + 3, tl.where(d, 1.0, 0.0).to(tl.float64))


@pytest.mark.parametrize(
    "values", [(5, 2**40, 0.5, True), (-7, -(2**62), -1e30, False), (2**31 - 1, 2**63 - 1, 0.0, True)]
)
def test_scalars_of_each_kind(values):
    out = torch.empty(4, dtype=torch.float64)
    scalars_kernel[(1,)](out, *values)
    assert out.tolist() == [float(values[0]), float(values[1]), float(torch.tensor(values[2])), float(values[3])]


@triton.jit
def stride_kernel(x, out, n, stride: int, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    tl.store(out + i, tl.load(x + i * stride, mask=i < n), mask=i < n)


def test_a_stride_of_one_and_others_share_a_kernel():
    x = torch.arange(100.0)
    for stride in (1, 3, 1, 0):
        out = torch.empty(30)
        stride_kernel[(1,)](x, out, 30, stride, BLOCK=32)
        assert torch.equal(out, x[torch.arange(30) * stride])


def test_autotune_and_callable_grids():
    tuned = triton.autotune(configs=[triton.Config({"BLOCK": size}, num_warps=4) for size in (64, 256)], key=["n"])(
        scale_kernel
    )
    x, out = torch.randn(1000), torch.empty(1000)
    tuned[lambda meta: (triton.cdiv(1000, meta["BLOCK"]),)](x, out, 1000, 2.0)
    assert torch.equal(out, x * 2)


def test_a_compiled_kernel_holds_its_tile_ir_and_object():
    kernel = scale_kernel.warmup(torch.float32, torch.float32, 100, 2.0, BLOCK=16, grid=(1,))
    read = image.read(kernel.asm["flk"])
    assert read.symbol == "scale_kernel"
    assert read.object.startswith(b"\x7fELF")
    assert "tt.store" in read.tile_ir


def test_a_kernel_that_is_cut_short_is_refused():
    kernel = scale_kernel.warmup(torch.float32, torch.float32, 100, 2.0, BLOCK=16, grid=(1,))
    with pytest.raises(native.KernelError, match="cut short"):
        image.read(kernel.asm["flk"][:-1])
    with pytest.raises(native.KernelError, match="not a kernel that this version"):
        image.read(b"something else")


def test_other_versions_of_triton_are_refused_in_a_sentence():
    check("3.6.1")
    with pytest.raises(ImportError, match=r"serves Triton 3\.6, but Triton 3\.7\.0 is installed"):
        check("3.7.0")


def test_narrower_targets_compute_the_same():
    script = (
        "import torch, tests.triton.test_backend as t\n"
        "x, out = torch.randn(1000), torch.empty(1000)\n"
        "t.scale_kernel[(4,)](x, out, 1000, 2.0, BLOCK=256)\n"
        "assert torch.equal(out, x * 2)\n"
        "print(t.native.host_target().lanes)\n"
    )
    environment = {**os.environ, "FLAGOS_CPU_TARGET": "x86-64-v3"}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, cwd=root, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "8"


def test_each_stage_is_written_where_one_asks_for_it(tmp_path):
    script = (
        "import torch, tests.triton.test_backend as t\n"
        "x, out = torch.randn(10), torch.empty(10)\n"
        "t.stride_kernel[(1,)](x, out, 10, 1, BLOCK=16)\n"
    )
    environment = {
        **os.environ,
        "FLAGOS_TRITON_DUMP": str(tmp_path / "stages"),
        "TRITON_CACHE_DIR": str(tmp_path / "cache"),
    }
    command = [sys.executable, "-c", script]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr
    written = sorted(path.name for path in (tmp_path / "stages").iterdir())
    suffixes = [name.rpartition(".")[2] for name in written]
    # As written, and with a stride of one, which comes from the same source.
    assert sorted(suffixes) == ["ll", "ll", "nests", "nests", "s", "s", "tile", "tile", "ttir"]
    text = {name.rpartition(".")[2]: (tmp_path / "stages" / name).read_text() for name in written}
    assert "define void" in text["ll"]
    assert "#loc" in text["ttir"]
    assert "tt.load" in text["tile"]
    assert "nest 1: " in text["nests"]
