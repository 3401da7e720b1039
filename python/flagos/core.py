"""What libflagos.so tells without PyTorch: the environment table, the drivers, the version.

Read through ctypes, so that `flagos doctor` works where torch is missing or is of a version that is not served. Not
here: anything of tensors, streams or routes, which torch_fl reaches through PyTorch's dispatcher.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import NamedTuple

from flagos import libraries

# fl_status of hal.h
_OK, _OUT_OF_MEMORY, _INVALID_ARGUMENT, _UNSUPPORTED, _ABSENT = 0, 2, 3, 4, 6
_STATUS_NAMES = (
    "ok",
    "not ready",
    "out of memory",
    "invalid argument",
    "unsupported",
    "device lost",
    "absent",
    "broken",
)
_EXCEPTIONS: dict[int, type[Exception]] = {
    _OUT_OF_MEMORY: MemoryError,
    _INVALID_ARGUMENT: ValueError,
    _UNSUPPORTED: NotImplementedError,
    _ABSENT: NotImplementedError,
}


class Variable(NamedTuple):
    """A row of the environment table."""

    name: str
    type: str  # "flag", "int", "bytes", "path", "word", "list" or "text"
    values: str | None  # what is allowed: "a|b|c" or "least..most"
    default: str
    help: str
    value: str | None  # in force now; None when unset


class Driver(NamedTuple):
    """What became of a driver on this machine."""

    name: str
    version: str | None
    origin: str  # "linked in" or the path of its library
    status: str  # "ok", "absent", ...
    reason: str  # why not; "" when it is there
    devices: int
    selected: bool  # its devices are flagos devices


class _EnvInfo(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_char_p),
        ("values", ctypes.c_char_p),
        ("initial", ctypes.c_char_p),
        ("help", ctypes.c_char_p),
        ("value", ctypes.c_char_p),
    )


class _DriverReport(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("name", ctypes.c_char_p),
        ("version", ctypes.c_char_p),
        ("origin", ctypes.c_char_p),
        ("status", ctypes.c_int),
        ("reason", ctypes.c_char_p),
        ("devices", ctypes.c_int32),
        ("selected", ctypes.c_int32),
    )


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(libraries.folder() / libraries.CORE))
    library.fl_version.restype = ctypes.c_char_p
    library.fl_last_error.restype = ctypes.c_char_p
    return library


def _check(status: int) -> None:
    if status != _OK:
        raise _EXCEPTIONS.get(status, RuntimeError)(_text(_library().fl_last_error()))


def _text(value: bytes | None) -> str:
    return value.decode("utf-8", "replace") if value is not None else ""


def version() -> str:
    """The version of libflagos.so."""
    return _text(_library().fl_version())


def environment() -> list[Variable]:
    """The environment table, in its own order. A value that its type refuses is shown as it stands."""
    rows = []
    for index in range(_library().fl_env_count()):
        info = _EnvInfo(struct_size=ctypes.sizeof(_EnvInfo))
        _check(_library().fl_env_at(index, ctypes.byref(info)))
        rows.append(
            Variable(
                name=_text(info.name),
                type=_text(info.type),
                values=_text(info.values) if info.values is not None else None,
                default=_text(info.initial),
                help=_text(info.help),
                value=_text(info.value) if info.value is not None else None,
            )
        )
    return rows


def variable(name: str) -> str | None:
    """The value in force of one variable, its default when unset, None when it has neither.

    Raises ValueError for a name that is not in the table, and for a value that its type refuses.
    """
    value = ctypes.c_char_p()
    _check(_library().fl_env_get(name.encode(), ctypes.byref(value)))
    return value.value.decode("utf-8", "replace") if value.value is not None else None


def flag(name: str) -> bool:
    """A variable of the type "flag". Raises ValueError as variable() does."""
    return (variable(name) or "0").lower() in ("1", "on", "true", "yes")


def drivers() -> list[Driver]:
    """Every driver that was looked for, present or not. Finds them at the first call."""
    count = ctypes.c_int32()
    _check(_library().fl_driver_count(ctypes.byref(count)))
    found = []
    for index in range(count.value):
        report = _DriverReport(struct_size=ctypes.sizeof(_DriverReport))
        _check(_library().fl_driver_at(index, ctypes.byref(report)))
        found.append(
            Driver(
                name=_text(report.name),
                version=_text(report.version) if report.version is not None else None,
                origin=_text(report.origin),
                status=_STATUS_NAMES[report.status],
                reason=_text(report.reason),
                devices=report.devices,
                selected=bool(report.selected),
            )
        )
    return found


def device_count() -> int:
    """How many flagos devices this process has. Raises what a bad FLAGOS_DRIVER asks for."""
    count = ctypes.c_int32()
    _check(_library().fl_device_count(ctypes.byref(count)))
    return count.value
