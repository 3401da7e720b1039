"""What a kernel's author has: stages, explanations, names in profilers, a child process that compiles first."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import triton
import triton.language as tl
from flagos import cli
from flagos.triton import checking, native

ROOT = Path(__file__).parents[2]


@triton.jit
def chain_kernel(x, index, out, n, stride, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    near = tl.load(x + i, mask=i < n)
    far = tl.load(x + tl.load(index + i, mask=i < n, other=0))
    apart = tl.load(x + i * stride, mask=i < n)
    tl.store(out + i, tl.exp(near) + far + apart, mask=i < n)


@triton.jit
def softmax_kernel(x, out, n, BLOCK: tl.constexpr):
    c = tl.arange(0, BLOCK)
    v = tl.load(x + c, mask=c < n, other=-float("inf"))
    e = tl.exp(v - tl.max(v, axis=0))
    tl.store(out + c, e / tl.sum(e, axis=0), mask=c < n)


def explained(kernel, arguments, tmp_path, capsys, *options, **constexprs):
    compiled = kernel.warmup(*arguments, **constexprs, grid=(1,))
    path = tmp_path / "kernel.ttir"
    path.write_text(compiled.asm["ttir"])
    assert cli.main(["triton", "explain", str(path), *options]) == 0
    return capsys.readouterr().out


def line_of(kernel, text):
    source, first = kernel.raw_src, kernel.starting_line_number
    return first + next(number for number, line in enumerate(source) if text in line)


def test_explain_says_how_memory_is_reached_and_why(tmp_path, capsys):
    arguments = (torch.float32, torch.int32, torch.float32, 100, 3)
    said = explained(chain_kernel, arguments, tmp_path, capsys, "--target", "x86-64-v3", BLOCK=64)
    assert said.startswith("kernel chain_kernel for x86-64-v3")
    assert re.search(r"nest \d: line \d+ \(.*\): tt.store over 64, in strips of 8", said)

    def access(text):
        place = f"test_tools.py:{line_of(chain_kernel, text)}"
        return {line.rpartition(" is ")[2] for line in said.splitlines() if place in line and " is " in line}

    assert access("near =") == {"contiguous"}
    assert any("not affine" in how for how in access("far ="))
    assert any("a stride that only the launch knows" in how for how in access("apart ="))
    assert access("tl.store") == {"contiguous"}
    assert re.search(r"fused into it: .*math\.exp", said)
    assert "bounds the strips: full ones carry no mask" in said


def test_explain_shows_a_stride_of_one_as_contiguous(tmp_path, capsys):
    arguments = (torch.float32, torch.int32, torch.float32, 100, 3)
    said = explained(chain_kernel, arguments, tmp_path, capsys, "--ones", "4", BLOCK=64)
    assert "only the launch knows" not in said


@triton.jit
def block_pointer_kernel(x, out, n, x_stride: int, out_stride: int, BLOCK: tl.constexpr):
    first = (tl.program_id(0).to(tl.int64) * BLOCK).to(tl.int32)
    source = tl.make_block_ptr(x, (n,), (x_stride,), (first,), (BLOCK,), order=(0,))
    target = tl.make_block_ptr(out, (n,), (out_stride,), (first,), (BLOCK,), order=(0,))
    tl.store(target, tl.abs(tl.load(source, boundary_check=(0,))), boundary_check=(0,))


def test_a_stride_of_one_is_seen_through_the_widening_of_block_pointers(tmp_path, capsys):
    arguments = (torch.float32, torch.float32, 100, 1, 1)
    said = explained(block_pointer_kernel, arguments, tmp_path, capsys, "--ones", "3,4", BLOCK=64)
    assert "tt.load is contiguous" in said
    assert "tt.store is contiguous" in said


def test_explain_says_what_is_kept_in_scratch(tmp_path, capsys):
    said = explained(softmax_kernel, (torch.float32, torch.float32, 100), tmp_path, capsys, BLOCK=128)
    assert re.search(r"math\.exp \(128\) is kept in scratch: several nests", said)
    assert said.count("tt.reduce over 128") == 2


def test_explain_refuses_what_is_no_module(tmp_path, capsys):
    path = tmp_path / "kernel.ttir"
    path.write_text("module {\n  tt.func public @k() {\n    tt.nothing\n  }\n}\n")
    assert cli.main(["triton", "explain", str(path)]) == 2
    assert "'tt.nothing' is not supported" in capsys.readouterr().err


def run(script, **variables):
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


LAUNCH = (
    "import torch, tests.triton.test_tools as t\n"
    "x, out = torch.randn(100), torch.empty(100)\n"
    "t.softmax_kernel[(1,)](x, out, 100, BLOCK=128)\n"
    "torch.testing.assert_close(out, torch.softmax(x, 0))\n"
)


def test_kernels_have_names_in_perf(tmp_path):
    show = "import os; print(open(f'/tmp/perf-{os.getpid()}.map').read()); os.remove(f'/tmp/perf-{os.getpid()}.map')"
    done = run(LAUNCH + show, FLAGOS_PERF_MAP="1", TRITON_CACHE_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert re.search(r"^[0-9a-f]+ [0-9a-f]+ softmax_kernel$", done.stdout, re.MULTILINE)


def test_no_page_of_code_is_writable_and_executable(tmp_path):
    show = "print(open('/proc/self/maps').read())"
    done = run(LAUNCH + show, TRITON_CACHE_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    modes = [line.split()[1] for line in done.stdout.splitlines() if line]
    assert any("x" in mode for mode in modes)
    assert [mode for mode in modes if "w" in mode and "x" in mode] == []


def test_a_child_process_compiles_first_where_one_asks_for_it(tmp_path):
    done = run(LAUNCH, FLAGOS_TRITON_CHECK="1", TRITON_CACHE_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_text_that_llvm_refuses_ends_the_child_alone(monkeypatch):
    class Broken:
        symbol = "broken_kernel"
        llvm_ir = "define void @broken_kernel() {\n  %x = add i32 1, %y\n  ret void\n}\n"

    monkeypatch.setattr(checking, "wanted", lambda: True)
    with pytest.raises(native.CompileError, match=r"'broken_kernel' was refused: .*SIGABRT(.|\n)*LLVM said"):
        checking.before_llvm(Broken())
