"""Kernels on disk: found again, never believed when torn, changed or stale, written by many at once."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
import triton
import triton.language as tl
from flagos.triton import image, llvm, native, self_hash

ROOT = Path(__file__).parents[2]

TILE_IR = """module {
  tt.func public @double(%x: !tt.ptr<f32>, %n: i32) {
    %i = tt.make_range {end = 16 : i32, start = 0 : i32} : tensor<16xi32>
    %p = tt.splat %x : !tt.ptr<f32> -> tensor<16x!tt.ptr<f32>>
    %s = tt.splat %n : i32 -> tensor<16xi32>
    %o = arith.muli %i, %s : tensor<16xi32>
    %a = tt.addptr %p, %o : tensor<16x!tt.ptr<f32>>, tensor<16xi32>
    %v = tt.load %a : tensor<16x!tt.ptr<f32>>
    %d = arith.addf %v, %v : tensor<16xf32>
    tt.store %a, %d : tensor<16x!tt.ptr<f32>>
    tt.return
  }
}
"""


@triton.jit
def scale_kernel(x, out, n, stride: int, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    tl.store(out + i, tl.load(x + i * stride, mask=i < n) * 2, mask=i < n)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(triton.knobs.cache, "dir", str(tmp_path))
    return tmp_path / "flagos"


@pytest.fixture
def compiles(monkeypatch):
    """How often LLVM was asked."""
    seen = []
    compile_object = llvm.compile_object

    def counted(*arguments):
        seen.append(1)
        return compile_object(*arguments)

    monkeypatch.setattr(llvm, "compile_object", counted)
    return seen


def entries(folder):
    return sorted(folder.glob("*.flk"))


def test_a_kernel_is_compiled_once(folder, compiles):
    first = image.build(TILE_IR)
    again = image.build(TILE_IR)
    assert len(compiles) == 1
    assert len(entries(folder)) == 1
    assert bytes(first) == bytes(again)
    assert again.symbol == "double"
    assert again.arguments == ((0, 8), (1, 4))
    assert again.object.startswith(b"\x7fELF")


def test_each_specialisation_is_a_kernel_of_its_own(folder, compiles):
    image.build(TILE_IR)
    image.build(TILE_IR, image.Specialisation(ones=(1,)))
    image.build(TILE_IR, image.Specialisation(distance=1 << 40))
    image.build(TILE_IR.replace("addf", "mulf"))
    assert len(compiles) == len(entries(folder)) == 4


@pytest.mark.parametrize("place", [0, 3, 20, 200, -1, -40])
def test_a_changed_entry_is_compiled_again_and_replaced(folder, compiles, place):
    want = bytes(image.build(TILE_IR))
    (entry,) = entries(folder)
    data = bytearray(entry.read_bytes())
    data[place] ^= 1
    entry.write_bytes(data)
    assert bytes(image.build(TILE_IR)) == want
    assert len(compiles) == 2
    assert entry.read_bytes() == want


@pytest.mark.parametrize("size", [0, 7, 8, 100, 0.5, -1])
def test_a_torn_entry_is_compiled_again_and_replaced(folder, compiles, size):
    want = bytes(image.build(TILE_IR))
    (entry,) = entries(folder)
    entry.write_bytes(want[: int(len(want) * size) if isinstance(size, float) else size])
    assert bytes(image.build(TILE_IR)) == want
    assert len(compiles) == 2
    assert entry.read_bytes() == want


def test_an_entry_under_a_wrong_name_is_not_believed(folder, compiles):
    image.build(TILE_IR)
    (first,) = entries(folder)
    image.build(TILE_IR.replace("addf", "mulf"))
    (second,) = set(entries(folder)) - {first}
    second.write_bytes(first.read_bytes())
    assert "mulf" in image.build(TILE_IR.replace("addf", "mulf")).tile_ir
    assert len(compiles) == 3


def test_another_llvm_compiles_again(folder, compiles, monkeypatch):
    image.build(TILE_IR)
    monkeypatch.setattr(image, "producer", lambda: "triton 3.6.9")
    assert image.build(TILE_IR).producer == "triton 3.6.9"
    assert len(compiles) == 2


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path, monkeypatch, compiles, capfd):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(triton.knobs.cache, "dir", str(tmp_path / "file"))
    assert image.build(TILE_IR).symbol == "double"
    assert "cannot make the folder" in capfd.readouterr().err


def test_threads_that_write_at_once_leave_a_whole_entry(folder):
    native.host_target()
    with ThreadPoolExecutor(8) as pool:
        kernels = list(pool.map(lambda _: bytes(image.build(TILE_IR)), range(32)))
    assert len(set(kernels)) == 1
    assert [entry.read_bytes() for entry in entries(folder)] == [kernels[0]]
    assert sorted(folder.iterdir()) == entries(folder)  # nothing temporary is left


WRITER = (
    "import sys, triton\n"
    "from flagos.triton import image\n"
    "import tests.triton.test_cache as t\n"
    "for number in range(20):\n"
    "    text = t.TILE_IR.replace('@double', f'@double_{number}')\n"
    "    assert image.build(text).symbol == f'double_{number}'\n"
)


def test_processes_that_write_at_once_leave_whole_entries(folder):
    environment = {**os.environ, "TRITON_CACHE_DIR": str(folder.parent)}
    command = [sys.executable, "-c", WRITER]
    running = [
        subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for process in running:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    assert len(entries(folder)) == 20
    for entry in entries(folder):
        image.read(entry.read_bytes())
    assert sorted(folder.iterdir()) == entries(folder)


def test_a_second_process_compiles_nothing(folder):
    environment = {**os.environ, "TRITON_CACHE_DIR": str(folder.parent)}
    script = (
        "import torch, tests.triton.test_cache as t\n"
        "from flagos.triton import llvm\n"
        "{forbid}\n"
        "x, out = torch.randn(64), torch.empty(30)\n"
        "for stride in (1, 2):\n"
        "    t.scale_kernel[(1,)](x, out, 30, stride, BLOCK=32)\n"
        "    assert torch.equal(out, x[: 30 * stride : stride] * 2)\n"
    )
    for forbid in ("", "def fail(*_): raise AssertionError('compiled')\nllvm.compile_object = fail"):
        done = subprocess.run(
            [sys.executable, "-c", script.replace("{forbid}", forbid)],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_triton_does_not_hash_itself():
    scale_kernel.warmup(torch.float32, torch.float32, 4, 2, BLOCK=4, grid=(1,))
    from triton.runtime import autotuner, cache

    assert cache.triton_key is autotuner.triton_key is self_hash.recorded_key
    assert cache.triton_key().startswith(triton.__version__)


def test_the_quick_key_changes_with_triton_s_files(tmp_path, monkeypatch):
    names = ("compiler", "backends", "language", "runtime", "_C")
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.py").write_text("x = 1\n")
    monkeypatch.setattr(triton, "__file__", str(tmp_path / "__init__.py"))
    key = self_hash.recorded_key.__wrapped__
    before = key()
    assert key() == before
    (tmp_path / "language" / "one.py").write_text("x = 22\n")
    edited = key()
    assert edited != before
    (tmp_path / "backends" / "two.py").write_text("")
    assert key() not in (before, edited)
