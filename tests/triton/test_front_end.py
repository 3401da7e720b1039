"""What stock Triton offers around a kernel works with this backend as with any."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import triton
import triton.language as tl
from flagos.triton.launcher import configured
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

ROOT = Path(__file__).parents[2]


@triton.jit
def double_kernel(x, out, n, BLOCK: tl.constexpr, EVEN: tl.constexpr = False):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + i) if EVEN else tl.load(x + i, mask=i < n)
    if EVEN:
        tl.store(out + i, v * 2)
    else:
        tl.store(out + i, v * 2, mask=i < n)


def test_heuristics():
    kernel = triton.heuristics({"EVEN": lambda args: args["n"] % args["BLOCK"] == 0})(double_kernel)
    for n in (64, 50):
        x, out = torch.randn(n), torch.zeros(n)
        kernel[(triton.cdiv(n, 32),)](x, out, n, BLOCK=32)
        assert torch.equal(out, x * 2)


def test_autotuning_runs_every_configuration_and_keeps_one():
    configurations = [triton.Config({"BLOCK": size}, num_warps=4, num_stages=2) for size in (16, 64, 256)]
    kernel = triton.autotune(configurations, key=["n"])(double_kernel)
    x, out = torch.randn(500), torch.zeros(500)
    kernel[lambda meta: (triton.cdiv(500, meta["BLOCK"]),)](x, out, 500)
    assert torch.equal(out, x * 2)
    assert kernel.best_config in configurations


def test_do_bench():
    x, out = torch.randn(100), torch.zeros(100)
    taken = triton.testing.do_bench(lambda: double_kernel[(1,)](x, out, 100, BLOCK=128), warmup=1, rep=2)
    assert taken > 0


def test_launch_metadata_is_asked_for_when_someone_listens():
    seen = []

    def describe(grid, metadata, arguments):
        return {"flops": arguments["n"], "grid": grid}

    kernel = triton.jit(double_kernel.fn, launch_metadata=describe)
    x, out = torch.randn(10), torch.zeros(10)

    def listen(metadata):
        seen.append(metadata.get())

    triton.knobs.runtime.launch_enter_hook.add(listen)
    try:
        kernel[(1,)](x, out, 10, BLOCK=16)
    finally:
        triton.knobs.runtime.launch_enter_hook.remove(listen)
    assert seen[0]["flops"] == 10
    assert seen[0]["name"] == "double_kernel"


def test_unknown_options_are_refused():
    with pytest.raises(KeyError, match="num_wraps"):
        double_kernel[(1,)](torch.zeros(4), torch.zeros(4), 4, BLOCK=4, num_wraps=4)


def test_compiling_ahead_of_time():
    source = ASTSource(double_kernel, {"x": "*fp32", "out": "*fp32", "n": "i32"}, {"BLOCK": 16, "EVEN": False})
    target = triton.runtime.driver.active.get_current_target()
    assert target == GPUTarget("cpu", target.arch, 1)
    compiled = triton.compile(source, target=target)
    x, out = torch.randn(10), torch.zeros(10)
    compiled[(1, 1, 1)](x, out, 10, 16, False)
    assert torch.equal(out, x * 2)
    assert isinstance(compiled.function, configured().Kernel)


def test_the_interpreter_is_left_alone():
    script = (
        "import torch\n"
        "from tests.triton.test_front_end import double_kernel\n"
        "x, out = torch.randn(10), torch.zeros(10)\n"
        "double_kernel[(1,)](x, out, 10, BLOCK=16)\n"
        "assert torch.equal(out, x * 2)\n"
        "print(type(double_kernel).__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "InterpretedFunction"
