"""Processes whose tile instructions (AMX) are executed: by the processor, or where it has none by the emulator.

The emulator is a library that such a process is started with (tile_emulator.h); it stays away from a processor that has
tiles, so that the same programs run on the real instructions there.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
from pathlib import Path

from flagos.triton import native

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / os.environ.get("BUILD", "build") / "lib" / "libtile_emulator.so"


def absent() -> str | None:
    """Why no process of this machine can execute the kernels of tiles; None where one can."""
    if importlib.util.find_spec("triton") is None:
        return "AMX: stock triton is missing, whose kernels run on tiles here"
    if native.host_target().lanes < 16:
        return "AMX: the kernels of tiles use AVX-512 too, which this CPU lacks"
    if not LIBRARY.exists():
        return f"AMX: {LIBRARY} is not built; make build does it"
    return None


def has_bf16_vectors() -> bool:
    """Whether the processor has AVX-512 BF16, which the kernels of transformers are compiled with beside tiles."""
    return "avx512_bf16" in Path("/proc/cpuinfo").read_text().split()


def environment() -> dict[str, str]:
    """That of a process with tiles."""
    if loaded():
        return dict(os.environ)
    preloaded = filter(None, [str(LIBRARY), os.environ.get("LD_PRELOAD")])
    return {**os.environ, "LD_PRELOAD": ":".join(preloaded)}


def loaded() -> bool:
    """Whether this process was started so."""
    return hasattr(ctypes.CDLL(None), "fl_emulated_tile_features")


def emulated() -> bool:
    """Whether this process, which is `loaded`, has its tile instructions emulated."""
    return ctypes.CDLL(None).fl_emulated_tile_features() != 0


def executed() -> dict[str, int]:
    """How many of each instruction the emulator has executed in this process, all threads together."""
    library = ctypes.CDLL(None)
    library.tile_emulator_mnemonic.restype = ctypes.c_char_p
    library.tile_emulator_executed.restype = ctypes.c_uint64
    counts = {}
    while name := library.tile_emulator_mnemonic(len(counts)):
        counts[name.decode()] = library.tile_emulator_executed(len(counts))
    return counts


def configured() -> bool:
    """Whether the emulator has the tiles of the calling thread configured."""
    return ctypes.CDLL(None).tile_emulator_configured() != 0
