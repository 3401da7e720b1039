"""How long Inductor and Triton's autotuner run a configuration to time it, by a clock that the test turns."""

from itertools import cycle
from types import SimpleNamespace

import pytest
import torch
import triton
import triton.language as tl
from flagos.triton import benchmarker, inductor_tuning


class Clock:
    """Each call takes the next of the given milliseconds."""

    def __init__(self, monkeypatch, durations):
        self._now, self._durations, self.calls = 0.0, cycle(durations), 0
        monkeypatch.setattr(benchmarker, "time", SimpleNamespace(perf_counter=lambda: self._now))

    def call(self):
        self.calls += 1
        self._now += next(self._durations) / 1e3


def test_runs_end_when_the_median_is_certain(monkeypatch):
    clock = Clock(monkeypatch, [0.5])
    assert inductor_tuning.median_time(None, clock.call, warmup=25, rep=100) == pytest.approx(0.5)
    assert clock.calls == 18


def test_one_slow_run_does_not_prolong_them(monkeypatch):
    clock = Clock(monkeypatch, [0.5, 0.5, 0.5, 0.5, 7.0, 0.5, 0.5, 0.5, 0.5])
    assert inductor_tuning.median_time(None, clock.call, warmup=60, rep=100) == pytest.approx(0.5)
    assert clock.calls == 18


def test_uncertain_runs_take_the_time_that_they_may(monkeypatch):
    clock = Clock(monkeypatch, [1.0, 2.0])
    assert inductor_tuning.median_time(None, clock.call, warmup=10, rep=100) in (pytest.approx(1.0), pytest.approx(2.0))
    assert clock.calls == 2 + 14  # 3 and 21 ms


def test_a_call_longer_than_the_time_runs_once(monkeypatch):
    clock = Clock(monkeypatch, [300.0])
    assert inductor_tuning.median_time(None, clock.call, warmup=25, rep=100) == pytest.approx(300.0)
    assert clock.calls == 2


def test_tritons_autotuner_runs_it_all_the_time_however_certain(monkeypatch):
    clock = Clock(monkeypatch, [0.7])
    assert benchmarker.benchmark(clock.call, warmup=5, rep=20) == pytest.approx(0.7)
    assert clock.calls == 1 + 8 + 29  # the first, 5.6 and 20.3 ms


@triton.jit
def fill_kernel(out, BLOCK: tl.constexpr):
    tl.store(out + tl.arange(0, BLOCK), 1.0)


def test_inductor_asks_it_once_a_kernel_is_loaded(monkeypatch):
    from torch._inductor.runtime.benchmarking import Benchmarker

    fill_kernel[(1,)](torch.empty(64), BLOCK=64)
    clock = Clock(monkeypatch, [0.5])
    assert Benchmarker().benchmark(clock.call, device="cpu") == pytest.approx(0.5)
    assert clock.calls == 18
