"""An operator's suppliers, and which of them serves a call.

A supplier is `native` (the host's own kernels, torch.ops.flagos.*) or `torch` (PyTorch's operators, which the device
routes: there FlagGems, the vendor or the CPU serve them, as its conf file says). They are tried in the order of
LIGHTX2V_FL_KERNELS. Note [Falling back]: the rule is that of the device. A supplier that cannot serve a call says so
before it begins; NotImplementedError out of one that had begun moves the call on too, since nothing that the caller
sees was written; that signature is then not tried again. Any other exception is the caller's. LIGHTX2V_FL_STRICT=1
forbids both. A supplier that this machine does not have at all is passed over in either case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from lightx2v_fl import reporting, settings

KNOWN = ("native", "torch")


@dataclass(frozen=True)
class Supplier:
    """One way to compute an operator."""

    name: str
    run: Callable[..., Any]
    refuses: Callable[..., str | None]  # same arguments as run: why this call cannot be served, or None
    why: str  # what it is, for the report


@cache
def _configured() -> tuple[str, ...]:
    order = settings.words("LIGHTX2V_FL_KERNELS")
    unknown = [name for name in order if name not in KNOWN]
    if unknown or not order:
        raise ValueError(
            f"LIGHTX2V_FL_KERNELS={','.join(order)}: {', '.join(unknown) or 'nothing'} is no supplier; "
            f"name some of {', '.join(KNOWN)}"
        )
    return order


@cache
def strict() -> bool:
    """Whether LIGHTX2V_FL_STRICT is on."""
    return settings.flag("LIGHTX2V_FL_STRICT")


def check_settings() -> None:
    """ValueError where LIGHTX2V_FL_KERNELS or LIGHTX2V_FL_STRICT has a value that cannot be used."""
    _configured()
    strict()


_chosen: ContextVar[tuple[str, ...] | None] = ContextVar("_chosen", default=None)


@contextmanager
def only(*names: str) -> Iterator[None]:
    """Within the context, in this thread: these suppliers in this order, whatever the environment says."""
    token = _chosen.set(names)
    try:
        yield
    finally:
        _chosen.reset(token)


class Operator:
    """A computation with suppliers. Calling it serves the call; see Note [Falling back]."""

    def __init__(self, name: str, *suppliers: Supplier) -> None:
        self.name = name
        self._suppliers = {supplier.name: supplier for supplier in suppliers}
        self._failed: dict[tuple[str, tuple[object, ...]], str] = {}

    def __call__(self, *args: Any) -> Any:
        passed_over: dict[str, str] = {}
        for name in _chosen.get() or _configured():
            supplier = self._suppliers.get(name)
            if supplier is None:
                continue
            why_not = supplier.refuses(*args)
            if why_not is None and self._failed:
                why_not = self._failed.get((name, _signature(args)))
            if why_not is not None:
                if strict() and not isinstance(why_not, Absent):
                    raise NotImplementedError(
                        f"{self.name}: {name} cannot serve this call: {why_not}. "
                        f"LIGHTX2V_FL_STRICT=1 forbids to fall back"
                    )
                passed_over[name] = why_not
                continue
            try:
                result = supplier.run(*args)
            except NotImplementedError as error:
                if strict():
                    raise
                passed_over[name] = self._failed[name, _signature(args)] = str(error).partition("\n")[0]
                continue
            reporting.count(self.name, name, supplier.why, passed_over, _is_fallback(passed_over))
            return result
        reasons = "; ".join(f"{name}: {why}" for name, why in passed_over.items())
        raise NotImplementedError(f"{self.name}: no supplier of LIGHTX2V_FL_KERNELS can serve this call ({reasons})")


def _is_fallback(passed_over: dict[str, str]) -> bool:
    return any(not isinstance(why, Absent) for why in passed_over.values())


class Absent(str):
    """A refusal that holds for every call on this device: the supplier is not there."""

    __slots__ = ()


def _signature(args: tuple[object, ...]) -> tuple[object, ...]:
    return tuple((arg.dtype, arg.dim(), arg.device.type) if isinstance(arg, torch.Tensor) else arg for arg in args)


@cache
def native_absent(device_type: str, index: int) -> Absent | None:
    """Why the own kernels do not serve this device, or None: they work on memory that the host computes on."""
    if device_type == "cpu":
        if not hasattr(torch.ops, "flagos") or not hasattr(torch.ops.flagos, "transformer_code_path"):
            return Absent("torch_fl is not imported")
        return None
    if device_type != "flagos":
        return Absent(f"the tensors are on {device_type}, not on flagos")
    driver = torch.flagos.get_device_properties(index).driver
    return None if driver == "host" else Absent(f"flagos:{index} is a device of the driver '{driver}', not of the host")


def native_refuses(tensor: torch.Tensor) -> Absent | None:
    """native_absent() for the device of `tensor`."""
    return native_absent(tensor.device.type, tensor.device.index or 0)
