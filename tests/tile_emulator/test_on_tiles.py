"""Tests of products and attention on AMX tiles: the processor's own, or the emulator's in processes that have it.

`python -m tests.tile_emulator` runs any test so; `make on-tiles` all that have to do with tiles.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from . import ROOT, absent, environment, has_bf16_vectors

pytestmark = pytest.mark.skipif(absent() is not None, reason=str(absent()))


def last_line(*command: str, **variables: str) -> dict | None:
    """The JSON that a Python program with tiles ends with; it fails where the program does."""
    command = (sys.executable, *command)
    variables = environment() | variables
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("instruction", "tests"),
    [
        ("TDPBF16PS", ["tests/triton/test_products.py", "-k", "bfloat16 and not registers"]),
        ("TDPBSSD", ["tests/triton/test_products.py", "-k", "int8 and not registers"]),
        ("TDPBF16PS", ["tests/triton/test_factors_in_place.py", "-k", "bfloat16 or int8"]),
        pytest.param(
            "TDPBSSD",
            ["tests/lightx2v", "-k", "native or own_int8"],
            marks=pytest.mark.skipif(not has_bf16_vectors(), reason="AMX: its kernels use AVX-512 BF16 too"),
        ),
    ],
    ids=["products of bf16", "products of int8", "factors in place", "operators of LightX2V"],
)
def test_these_tests_pass_on_tiles(instruction: str, tests: list[str]) -> None:
    counts = last_line("-m", "tests.tile_emulator", "-q", *tests)
    if counts is not None:  # else the processor has executed them and does not count
        assert counts[instruction] > 0
        assert counts["LDTILECFG"] == counts["TILERELEASE"]


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, int]]:
    cache = tmp_path_factory.mktemp("triton-cache")
    counts = last_line("-m", "tests.tile_emulator.forms", TRITON_CACHE_DIR=str(cache))
    if counts is None:
        pytest.skip("AMX: the processor itself has executed the instructions, rightly, and does not count them")
    return counts


@pytest.mark.parametrize(("form", "instruction", "depth"), [("bf16", "TDPBF16PS", 32), ("int8", "TDPBSSD", 64)])
def test_a_product_loads_each_tile_for_two_multiplications(forms, form: str, instruction: str, depth: int) -> None:
    counts = forms[form]
    tiles = (256 // 16) ** 2
    assert counts[instruction] == tiles * 256 // depth
    # Two tiles of each factor for four sums; K is one chunk, so that sums begin as zeros and are stored once.
    assert counts["TILELOADD"] == counts[instruction]
    assert counts["TILEZERO"] == counts["TILESTORED"] == tiles
    # One configuration for a program's whole product.
    assert counts["LDTILECFG"] == counts["TILERELEASE"] == (256 // 64) ** 2


def test_rows_and_columns_that_no_store_looks_at_are_not_multiplied(forms) -> None:
    # 250 rows end in tiles of 256, 190 columns in 192; 150 of K in five steps of 32, of the last block of 64 one.
    assert forms["bf16, ragged"]["TDPBF16PS"] == (256 // 16) * (192 // 16) * 5


def test_attention_reads_its_sums_once_a_block_of_keys(forms) -> None:
    counts = forms["attention"]
    heads, tiles, blocks = 2, (256 // 16) ** 2, 256 // 64
    scores, sums = heads * tiles * 2, heads * (256 // 16) * (64 // 16) * blocks * 2
    assert counts["TDPBF16PS"] == scores + sums
    assert counts["TILELOADD"] == scores + sums + sums // 2
    assert counts["LDTILECFG"] == counts["TILERELEASE"]


def test_threads_that_go_from_kernel_to_kernel_have_tiles_of_their_own(forms) -> None:
    counts = forms["in turns"]
    assert counts["TDPBF16PS"] > 0
    assert counts["TDPBSSD"] > 0
    assert counts["LDTILECFG"] == counts["TILERELEASE"]
