"""Our random numbers against PyTorch's on the CPU: rand, randn and dropout, one thread, interleaved.

PyTorch allocates its output in each call; we write to memory that is there, as from the device's pool. Times are
those of the thread's own CPU time, which other programs disturb less than they do the clock; on a quiet machine the two
agree. The result is the ratio of the medians, with the range of the pairs' ratios. Two threads: random_bench.

    python benchmarks/random_rival.py [--library build/lib/libflagos.so] [--elements 16777216] [--pairs 15]
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

FLOAT32 = 11  # fl_dtype
SEED = 1


class Span(ctypes.Structure):
    """fl_random_span."""

    _fields_ = (
        ("seed", ctypes.c_uint64),
        ("offset", ctypes.c_uint64),
        ("first", ctypes.c_int64),
        ("count", ctypes.c_int64),
    )


RANGE_BODY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
PARALLEL_FOR = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, RANGE_BODY, ctypes.c_void_p)
THREAD_COUNT = ctypes.CFUNCTYPE(ctypes.c_int32)


class ThreadPool(ctypes.Structure):
    """fl_thread_pool."""

    _fields_ = (("struct_size", ctypes.c_size_t), ("parallel_for", PARALLEL_FOR), ("thread_count", THREAD_COUNT))


def on_this_thread(begin: int, end: int, _grain: int, body: Callable[..., None], context: int) -> None:
    if begin < end:
        body(context, begin, end)


class Kernels:
    """The functions of libflagos.so that are compared, on one thread."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.fl_random_code_path.restype = ctypes.c_char_p
        self._library.fl_last_error.restype = ctypes.c_char_p
        self._pool = ThreadPool(ctypes.sizeof(ThreadPool), PARALLEL_FOR(on_this_thread), THREAD_COUNT(lambda: 1))
        self._library.fl_set_thread_pool(ctypes.byref(self._pool))

    @property
    def code_path(self) -> str:
        return self._library.fl_random_code_path().decode()

    def _check(self, status: int) -> None:
        if status != 0:
            raise RuntimeError(self._library.fl_last_error().decode())

    def uniform(self, out: torch.Tensor) -> None:
        self._write(self._library.fl_random_uniform, out, 0.0, 1.0)

    def normal(self, out: torch.Tensor) -> None:
        self._write(self._library.fl_random_normal, out, 0.0, 1.0)

    def _write(self, function: Callable[..., int], out: torch.Tensor, *parameters: float) -> None:
        span = Span(SEED, 0, 0, out.numel())
        doubles = (ctypes.c_double(parameter) for parameter in parameters)
        self._check(function(ctypes.byref(span), FLOAT32, ctypes.c_void_p(out.data_ptr()), *doubles))

    def dropout(self, x: torch.Tensor, out: torch.Tensor, mask: torch.Tensor, p: float) -> None:
        span = Span(SEED, 0, 0, x.numel())
        pointers = (ctypes.c_void_p(t.data_ptr()) for t in (x, out, mask))
        self._check(self._library.fl_random_dropout(ctypes.byref(span), FLOAT32, *pointers, ctypes.c_double(p)))


def seconds(call: Callable[[], object]) -> float:
    begin = time.thread_time()
    call()
    return time.thread_time() - begin


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown processor"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, default=Path("build/lib/libflagos.so"))
    parser.add_argument("--elements", type=int, default=1 << 24)
    parser.add_argument("--pairs", type=int, default=15)
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    kernels, n = Kernels(arguments.library), arguments.elements
    x, out, mask = torch.randn(n), torch.empty(n), torch.empty(n, dtype=torch.bool)
    cases: list[tuple[str, float, Callable[[], object], Callable[[], object]]] = [
        ("rand", 0.35, lambda: kernels.uniform(out), lambda: torch.rand(n)),
        ("randn", 0.40, lambda: kernels.normal(out), lambda: torch.randn(n)),
        ("dropout", 0.20, lambda: kernels.dropout(x, out, mask, 0.1), lambda: torch.nn.functional.dropout(x, 0.1)),
    ]
    print(f"{processor()}, {kernels.code_path}, {n} elements of float32, {arguments.pairs} pairs, one thread")
    for name, goal, ours, theirs in cases:
        ours()
        theirs()
        pairs = [(seconds(ours), seconds(theirs)) for _ in range(arguments.pairs)]
        our_median = statistics.median(pair[0] for pair in pairs)
        their_median = statistics.median(pair[1] for pair in pairs)
        ratios = sorted(a / b for a, b in pairs)
        print(
            f"{name:8} ours {our_median / n * 1e9:6.3f} ns, cpu {their_median / n * 1e9:6.3f} ns: "
            f"{our_median / their_median:.3f}x (pairs {ratios[0]:.3f} to {ratios[-1]:.3f}; goal {goal:.2f}x)"
        )


if __name__ == "__main__":
    main()
