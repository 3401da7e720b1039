"""Streams and events: identity, contexts, order, timing."""

from __future__ import annotations

import threading

import pytest
import torch

flagos = torch.flagos


def test_the_current_stream_is_a_stream_of_ours() -> None:
    current = flagos.current_stream()
    assert isinstance(current, flagos.Stream)
    assert isinstance(current, torch.Stream)
    assert current == flagos.default_stream() == torch.accelerator.current_stream()
    assert hash(current) == hash(flagos.default_stream())
    assert current.query() is True


def test_a_context_switches_and_restores() -> None:
    default, outer, inner = flagos.current_stream(), flagos.Stream(), flagos.Stream()
    assert outer != inner
    with flagos.stream(outer):
        assert flagos.current_stream() == outer
        with flagos.StreamContext(inner):
            assert flagos.current_stream() == inner
        with flagos.stream(None):
            assert flagos.current_stream() == outer
    assert flagos.current_stream() == default


def test_a_context_restores_after_an_error() -> None:
    default = flagos.current_stream()
    with pytest.raises(KeyError), flagos.stream(flagos.Stream()):
        raise KeyError
    assert flagos.current_stream() == default


def test_a_thread_has_its_own_current_stream() -> None:
    seen = []
    with flagos.stream(flagos.Stream()):
        thread = threading.Thread(target=lambda: seen.append(flagos.current_stream()))
        thread.start()
        thread.join()
    assert seen == [flagos.default_stream()]


def test_a_stream_of_another_device_type_is_refused() -> None:
    class Foreign:
        device = torch.device("cpu")

    with pytest.raises(ValueError, match="expected a flagos stream, but got one of cpu"):
        flagos.set_stream(Foreign())


def test_a_stream_tells_what_it_is() -> None:
    stream = flagos.Stream(priority=-1)
    assert stream.device == torch.device("flagos:0")
    assert isinstance(stream.priority, int)
    assert isinstance(stream.native_handle, int)
    assert repr(stream) == f"<torch.flagos.Stream device=flagos:0 id={stream.stream_id}>"
    same = flagos.Stream(stream_id=stream.stream_id, device_index=0, device_type=stream.device_type)
    assert same == stream


def test_work_ordered_by_an_event() -> None:
    producer, consumer = flagos.Stream(), flagos.Stream()
    with flagos.stream(producer):
        x = torch.full((1000,), 3.0, device="flagos")
        done = producer.record_event()
    assert isinstance(done, flagos.Event)
    consumer.wait_event(done)
    with flagos.stream(consumer):
        y = x * 2
        x.record_stream(consumer)
    consumer.synchronize()
    assert done.query() is True
    assert y.sum().item() == 6000


def test_wait_stream_and_an_event_waited_for() -> None:
    first, second = flagos.Stream(), flagos.Stream()
    second.wait_stream(first)
    event = flagos.Event()
    assert event.query() is True  # never recorded: complete
    event.record(first)
    event.wait(second)
    event.synchronize()
    second.synchronize()


def test_events_measure_time() -> None:
    start, stop = flagos.Event(enable_timing=True), flagos.Event(enable_timing=True)
    start.record()
    torch.ones(1000, device="flagos").exp().sum().item()
    stop.record()
    stop.synchronize()
    assert start.elapsed_time(stop) > 0
    assert stop.elapsed_time(start) < 0


def test_time_without_timing_is_refused() -> None:
    start, stop = flagos.Event(), flagos.Event()
    start.record()
    stop.record()
    with pytest.raises((RuntimeError, ValueError)):
        start.elapsed_time(stop)


@pytest.mark.parametrize("option", ["interprocess", "external"])
def test_events_between_processes_are_refused(option: str) -> None:
    with pytest.raises(NotImplementedError, match="events are of one process"):
        flagos.Event(**{option: True})


def test_nothing_captures() -> None:
    assert flagos.is_current_stream_capturing() is False
