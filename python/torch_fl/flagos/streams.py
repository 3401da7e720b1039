"""Streams and events: torch.Stream and torch.Event with the device filled in, so PyTorch takes them anywhere."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import torch

from torch_fl.flagos.device import DeviceLike, current_device, device, index_of, set_device

_ops = torch.ops.flagos


class Event(torch.Event):
    """A point in a stream. With `enable_timing`, elapsed_time() between two of them is in milliseconds."""

    def __new__(
        cls,
        enable_timing: bool = False,
        blocking: bool = False,
        interprocess: bool = False,
        external: bool = False,
    ) -> Event:
        if interprocess or external:
            raise NotImplementedError(
                "flagos: events are of one process and not for captured graphs; make one without interprocess and "
                "external"
            )
        return super().__new__(cls, "flagos", enable_timing=enable_timing, blocking=blocking)

    def elapsed_time(self, other: torch.Event) -> float:
        """Milliseconds from this event to `other`; both were made with enable_timing, recorded and reached."""
        # torch.Event.elapsed_time takes no subclass of torch.Event.
        if not isinstance(other, torch.Event) or other.device.type != "flagos":
            raise TypeError(f"flagos: elapsed_time takes a flagos event, not {other!r}")
        return _ops.event_elapsed(self.event_id, other.event_id)

    def __repr__(self) -> str:
        return f"<torch.flagos.Event {self.event_id:#x}>"


class Stream(torch.Stream):
    """A queue of work on a device: what is in one stream runs in order, streams are ordered by events only.

    Args:
        device: the device it belongs to; None is the current one.
        priority: lower is more urgent, 0 is normal. A driver without priorities takes any and ignores it.
    """

    def __new__(cls, device: DeviceLike = None, priority: int = 0, **identity: Any) -> Stream:
        if identity:  # stream_id, device_index, device_type: a stream that exists
            return super().__new__(cls, priority=priority, **identity)
        return super().__new__(cls, device=torch.device("flagos", index_of(device)), priority=priority)

    @property
    def priority(self) -> int:
        return _ops.stream_priority(self.device_index, self.stream_id)

    @property
    def native_handle(self) -> int:
        """The driver's own handle of the stream, as an integer."""
        return _ops.stream_native(self.device_index, self.stream_id)

    def record_event(self, event: torch.Event | None = None) -> torch.Event:
        """Records `event`, or a new one, at the end of what the stream holds now, and returns it."""
        if event is None:
            event = Event()
        event.record(self)
        return event

    def __repr__(self) -> str:
        return f"<torch.flagos.Stream device=flagos:{self.device_index} id={self.stream_id}>"


def _as_stream(stream: torch.Stream) -> Stream:
    if isinstance(stream, Stream):
        return stream
    return Stream(stream_id=stream.stream_id, device_index=stream.device_index, device_type=stream.device_type)


def current_stream(device: DeviceLike = None) -> Stream:
    """This thread's current stream on a device."""
    return _as_stream(torch.accelerator.current_stream(torch.device("flagos", index_of(device))))


def default_stream(device: DeviceLike = None) -> Stream:
    """The stream that a device starts with."""
    # 20 is PrivateUse1 in c10/core/DeviceType.h; PyTorch gives Python no name for it.
    return Stream(stream_id=0, device_index=index_of(device), device_type=20)


def set_stream(stream: torch.Stream | None) -> None:
    """Makes `stream` the current one of its device, on this thread; None does nothing."""
    if stream is not None:
        if stream.device.type != "flagos":
            raise ValueError(f"flagos: expected a flagos stream, but got one of {stream.device}")
        kept = current_device()
        torch.accelerator.set_stream(stream)  # also switches the device
        set_device(kept)


class StreamContext:
    """Context in which `stream` is the current one of its device and its device is current; None does nothing."""

    def __init__(self, stream: torch.Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        if self.stream is None:
            return
        self._device = device(self.stream.device)
        self._device.__enter__()
        self._previous = current_stream()
        set_stream(self.stream)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.stream is None:
            return
        set_stream(self._previous)
        self._device.__exit__(kind, error, trace)


def stream(stream: torch.Stream | None) -> StreamContext:
    """`with torch.flagos.stream(s):`; see StreamContext."""
    return StreamContext(stream)


def is_current_stream_capturing() -> bool:
    """Whether the current stream is being captured into a graph; no driver captures."""
    return False
