"""Matrix products: the forms that kernels have, packing that programs share, and what stands in the machine code."""

import functools
import math
import os
import re
import subprocess
import sys

import pytest
import torch
import triton
import triton.language as tl
from flagos.triton import llvm, native

from benchmarks.product_kernels import addmm_kernel, attention_kernel, mm_kernel, peeled_kernel
from tests.triton.small_float_dots import CASES
from tests.triton.small_float_dots import factors as small_factors

BLOCKS = {"BM": 32, "BN": 64, "BK": 32}
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 2e-3, torch.int8: 0}
SUMS = {torch.float64: tl.float64, torch.int8: tl.int32}


def factors(m, n, k, dtype):
    if dtype == torch.int8:
        a, b = torch.randint(-128, 128, (m, k), dtype=dtype), torch.randint(-128, 128, (k, n), dtype=dtype)
        return a, b, torch.full((m, n), 77, dtype=torch.int32), (a.long() @ b.long()).int()
    a, b = torch.randn(m, k, dtype=torch.float64).to(dtype), torch.randn(k, n, dtype=torch.float64).to(dtype)
    return a, b, torch.full((m, n), 77, dtype=dtype), (a.double() @ b.double()).to(dtype)


def check(c, expected, dtype, k):
    tolerance = TOLERANCE[dtype]
    torch.testing.assert_close(c.cpu(), expected, rtol=tolerance, atol=tolerance * math.sqrt(k))


def launch(kernel, a, b, c, blocks=BLOCKS, dtype=torch.float32):
    (m, k), n = a.shape, b.shape[1]
    grid = (triton.cdiv(m, blocks["BM"]) * triton.cdiv(n, blocks["BN"]),)
    strides = (*a.stride(), *b.stride(), *c.stride())
    kernel[grid](a, b, c, m, n, k, *strides, **blocks, GROUP=4, SUM=SUMS.get(dtype, tl.float32))


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("kernel", [mm_kernel, peeled_kernel], ids=["wrapping", "peeled"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (32, 64, 32), (33, 70, 100), (200, 300, 1100), (129, 257, 31)])
def test_a_product_in_grouped_order(shape, kernel, dtype):
    m, n, k = shape
    a, b, c, expected = factors(m, n, k, dtype)
    launch(kernel, a, b, c, dtype=dtype)
    check(c, expected, dtype, k)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("left", [False, True], ids=["", "left transposed"])
@pytest.mark.parametrize("right", [False, True], ids=["", "right transposed"])
def test_factors_that_are_transposed(left, right, dtype):
    m, n, k = 70, 150, 90
    a, b, c, expected = factors(m, n, k, dtype)
    a = a.t().contiguous().t() if left else a
    b = b.t().contiguous().t() if right else b
    launch(mm_kernel, a, b, c, dtype=dtype)
    check(c, expected, dtype, k)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int8], ids=str)
def test_factors_without_a_unit_stride(dtype):
    a, b, c, expected = factors(40, 70, 50, dtype)
    wide_a, wide_b = torch.zeros(40, 100, dtype=dtype), torch.zeros(50, 210, dtype=dtype)
    wide_a[:, ::2], wide_b[:, ::3] = a, b
    launch(mm_kernel, wide_a[:, ::2], wide_b[:, ::3], c, dtype=dtype)
    check(c, expected, dtype, 50)


@pytest.mark.parametrize(
    "blocks",
    [(16, 16, 16), (1, 16, 16), (4, 32, 8), (16, 128, 16), (64, 16, 64), (128, 128, 128), (8, 8, 8), (2, 4, 2)],
    ids=str,
)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_blocks_of_any_size(blocks, dtype):
    a, b, c, expected = factors(37, 131, 75, dtype)
    launch(mm_kernel, a, b, c, dict(zip(("BM", "BN", "BK"), blocks, strict=True)), dtype)
    check(c, expected, dtype, 75)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_a_batch_with_masks_on_every_side_and_an_epilogue(dtype):
    m, n, k = 45, 130, 70
    a, b = torch.randn(3, m, k).to(dtype), torch.randn(3, k, n).to(dtype)
    bias, c = torch.randn(n).to(dtype), torch.empty(3, m, n, dtype=dtype)
    grid = (triton.cdiv(m, 32), triton.cdiv(n, 64), 3)
    strides = (*a.stride()[1:], *b.stride()[1:], 0, 1, *c.stride()[1:])
    addmm_kernel[grid](a, b, bias, c, 0.5, 2.0, m, n, k, *strides, **BLOCKS)
    check(c, (0.5 * (a.double() @ b.double()) + 2.0 * bias.double()).to(dtype), dtype, k)


@pytest.mark.parametrize("device", ["cpu", "flagos"])
def test_a_product_on(device):
    if device == "flagos":
        pytest.importorskip("torch_fl")
    a, b, c, expected = factors(100, 90, 80, torch.float32)
    a, b, c = a.to(device), b.to(device), c.to(device)
    launch(mm_kernel, a, b, c)
    check(c, expected, torch.float32, 80)


@triton.jit
def two_sums_kernel(a, b, c, d, K, BK: tl.constexpr, N: tl.constexpr):
    rows, depth = tl.arange(0, N), tl.arange(0, BK)
    first = tl.full((N, N), 1.0, dtype=tl.float32)
    second = tl.zeros((N, N), dtype=tl.float32)
    for k in range(0, K, BK):
        x = tl.load(a + rows[:, None] * K + (k + depth)[None, :])
        y = tl.load(b + (k + depth)[:, None] * N + rows[None, :])
        first = tl.dot(x, y, first)
        second += tl.dot(x * 2.0, y * k)
    tl.store(c + rows[:, None] * N + rows[None, :], first)
    tl.store(d + rows[:, None] * N + rows[None, :], second)


@pytest.mark.parametrize("k", [0, 16, 48, 1040])
def test_two_sums_in_one_loop_one_of_them_not_from_zero(k):
    a, b = torch.randn(32, k), torch.randn(k, 32)
    c, d = torch.empty(32, 32), torch.empty(32, 32)
    two_sums_kernel[(1,)](a, b, c, d, k, BK=16, N=32)
    start = (torch.arange(k) // 16 * 16).double()
    torch.testing.assert_close(c, (a.double() @ b.double() + 1).float(), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(d, (2 * a.double() @ (start[:, None] * b.double())).float(), rtol=1e-5, atol=1.0)


@triton.jit
def persistent_kernel(a, b, c, tiles, N, BM: tl.constexpr, BK: tl.constexpr, PROGRAMS: tl.constexpr):
    rows, depth = tl.arange(0, BM), tl.arange(0, BK)
    for tile in range(tl.program_id(0), tiles, PROGRAMS):
        total = tl.zeros((BM, BM), dtype=tl.float32)
        for k in range(0, N, BK):
            x = tl.load(a + (tile * BM + rows)[:, None] * N + (k + depth)[None, :])
            y = tl.load(b + (k + depth)[:, None] * BM + rows[None, :])
            total = tl.dot(x, y, total)
        tl.store(c + (tile * BM + rows)[:, None] * BM + rows[None, :], total)
        tl.debug_barrier()
        if tile == 1:
            tl.store(b + rows[:, None] * BM + rows[None, :], total * 0.0)


def test_a_factor_that_the_same_program_overwrites_is_packed_again():
    a, b, c = torch.randn(5 * 16, 32), torch.randn(32, 16), torch.empty(5 * 16, 16)
    later = b.clone()
    later[:16] = 0
    expected = torch.cat([a[:32] @ b, a[32:] @ later])
    persistent_kernel[(1,)](a, b, c, 5, 32, BM=16, BK=16, PROGRAMS=1)
    torch.testing.assert_close(c, expected, rtol=1e-5, atol=1e-5)


@triton.jit
def expert_kernel(a, b, experts, c, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    pid = tl.program_id(0)
    expert = tl.load(experts + pid)
    rows, columns, depth = tl.arange(0, BM), tl.arange(0, BN), tl.arange(0, BK)
    total = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        x = tl.load(a + (pid * BM + rows)[:, None] * K + (k + depth)[None, :])
        y = tl.load(b + expert * K * BN + (k + depth)[:, None] * BN + columns[None, :])
        total = tl.dot(x, y, total)
    tl.store(c + (pid * BM + rows)[:, None] * BN + columns[None, :], total)


def test_a_factor_chosen_by_a_number_in_memory():
    experts = torch.tensor([2, 2, 0, 1, 1, 1, 0], dtype=torch.int32)
    a, b, c = torch.randn(7 * 16, 64), torch.randn(3, 64, 32), torch.empty(7 * 16, 32)
    expert_kernel[(7,)](a, b, experts, c, 64, BM=16, BN=32, BK=32)
    expected = torch.cat([a[16 * i : 16 * i + 16] @ b[e] for i, e in enumerate(experts.tolist())])
    torch.testing.assert_close(c, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("causal", [False, True], ids=["", "causal"])
@pytest.mark.parametrize("block", [16, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_fused_attention(dtype, block, causal):
    heads, tokens, width = 2, 128, 32
    q, k, v = (torch.randn(1, heads, tokens, width).to(dtype) for _ in range(3))
    out = torch.empty_like(q)
    attention_kernel[(tokens // block, heads)](
        q, k, v, out, width**-0.5, tokens, tokens * width, BM=block, BN=16, D=width, CAUSAL=causal
    )
    exact = torch.nn.functional.scaled_dot_product_attention(q.double(), k.double(), v.double(), is_causal=causal)
    torch.testing.assert_close(out, exact.to(dtype), rtol=3 * TOLERANCE[dtype], atol=3 * TOLERANCE[dtype])


def test_dots_of_8_bit_floats_are_what_the_interpreter_takes_them_for(tmp_path):
    sums = []
    for interpret in ("0", "1"):
        file = tmp_path / interpret
        command = [sys.executable, "-m", "tests.triton.small_float_dots", str(file)]
        subprocess.run(command, env={**os.environ, "TRITON_INTERPRET": interpret}, check=True)
        sums.append(torch.load(file))
    for ours, theirs, case in zip(*sums, CASES, strict=True):
        a, b = (factor.double() for factor in small_factors(*case))
        allowed = 1e-6 * (a.abs() @ b.abs())
        assert ((ours - a @ b).abs() <= allowed).all()
        *_, small = case
        # The interpreter takes subnormal numbers of float8e5 for others.
        assert small or ((ours - theirs).abs() <= allowed).all()


@functools.cache
def tile_ir(dtype: str, sums: str, blocks: tuple[int, int, int]) -> str:
    """The tile IR of a product, which does not depend on the target."""
    strides = {"stride_ak": 1, "stride_bn": 1, "stride_cn": 1}
    out = "i32" if sums == "i32" else dtype
    types = {"a": f"*{dtype}", "b": f"*{dtype}", "c": f"*{out}"}
    rest = ("M", "N", "K", "stride_am", "stride_ak", "stride_bk", "stride_bn", "stride_cm", "stride_cn")
    signature = types | {name: "constexpr" if name in strides else "i32" for name in rest}
    fixed = dict(zip(("BM", "BN", "BK"), blocks, strict=True)) | {
        "GROUP": 8, "SUM": {"i32": tl.int32, "fp64": tl.float64}.get(sums, tl.float32),
    }  # fmt: skip
    signature |= dict.fromkeys(fixed, "constexpr")
    names = mm_kernel.arg_names
    constants = {(names.index(name),): value for name, value in (fixed | strides).items()}
    source = triton.compiler.ASTSource(mm_kernel, signature, constants)
    return triton.compile(source, target=triton.runtime.driver.active.get_current_target()).asm["tile"]


def listing(text: str, target: str) -> dict[str, list[str]]:
    """The machine code of each function, by name."""
    program = native.Program(text, native.options(target=target))
    functions: dict[str, list[str]] = {}
    current: list[str] = []
    for line in llvm.compile_assembly(program.llvm_ir, native.named_target(target)).splitlines():
        if label := re.match(r'"?([^\s".#][^"]*)"?:', line):
            current = functions.setdefault(label[1], [])
        current.append(line)
    return functions


EXPECTED = {
    ("x86-64-v3", "fp32"): "vfmadd", ("x86-64-v3", "fp64"): "vfmadd", ("x86-64-v3", "bf16"): "vfmadd",
    ("x86-64-v3", "i8"): "vpmaddwd",
    ("x86-64-v4", "fp32"): "vfmadd", ("x86-64-v4", "fp64"): "vfmadd", ("x86-64-v4", "bf16"): "vfmadd",
    ("x86-64-v4", "i8"): "vpmaddwd",
    ("znver4", "fp32"): "vfmadd", ("znver4", "fp64"): "vfmadd", ("znver4", "bf16"): "vdpbf16ps",
    ("znver4", "i8"): "vpdpbusd",
    ("sapphirerapids", "fp32"): "vfmadd", ("sapphirerapids", "fp64"): "vfmadd",
    ("sapphirerapids", "bf16"): "tdpbf16ps", ("sapphirerapids", "i8"): "tdpbssd",
}  # fmt: skip


@pytest.mark.parametrize("blocks", [(128, 128, 128), (64, 64, 64), (16, 32, 64), (16, 16, 64)], ids=str)
@pytest.mark.parametrize(("target", "dtype"), EXPECTED, ids=map("-".join, EXPECTED))
def test_sums_stay_in_registers(target, dtype, blocks):
    functions = listing(tile_ir(dtype, {"i8": "i32", "fp64": "fp64"}.get(dtype, "fp32"), blocks), target)
    products = {
        name: lines for name, lines in functions.items() if re.match(r"fl\.dot\.(?!offset|transpose|inter)", name)
    }
    assert len(products) == 1
    (lines,) = products.values()
    assert any(EXPECTED[target, dtype] in line for line in lines)
    # The configuration of AMX tiles is made on the stack, by vector stores.
    register = r"%tmm\d" if EXPECTED[target, dtype].startswith("tdp") else r"%[xyz]mm\d"
    spilled = [line for line in lines if re.search(register, line) and re.search(r"\(%r[sb]p\)", line)]
    assert spilled == []


@pytest.mark.skipif(
    "amx" not in native.host_target().features,
    reason="AMX: this CPU has no tiles, or the kernel does not let the process use them",
)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.int8], ids=str)
@pytest.mark.parametrize("shape", [(64, 64, 64), (100, 300, 700), (256, 256, 4096)])
def test_tiles_of_amx(shape, dtype):
    m, n, k = shape
    a, b, c, expected = factors(m, n, k, dtype)
    launch(mm_kernel, a, b, c, {"BM": 64, "BN": 64, "BK": 64}, dtype)
    check(c, expected, dtype, k)
