"""FlagGems on the device: its operators as the route targets `flagos` and `flagos_python`.

Both call FlagGems' Python functions; nothing of FlagGems is loaded before the first call that is routed there.

Note [The seam for recorded calls]
`flagos` is the target of FlagGems' kernels without FlagGems' Python: a call whose launches were recorded will be
replayed from C++, and only what was not recorded yet comes here. Until then the two are one. What a recorder needs
stands already: every kernel starts by fl_launch, memory comes from one pool, the random state is a (seed, offset) pair.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from flagos import core
from flagos.flaggems import derived, import_hook, package
from flagos.triton.native import CompileError, launch_count
from torch._prims_common.wrappers import _maybe_resize_out
from torch.utils._pytree import tree_map_only

from torch_fl import routing

#: Targets that run FlagGems' kernels, with their other spellings.
FLAGGEMS_TARGETS = {"flagos": "flaggems", "flagos_python": "flaggems_python"}
#: Drivers whose memory and machine code flagos.triton serves.
DRIVERS = "host"
#: Composites whose function in FlagGems is differentiable; the others are composed when a gradient is asked.
DIFFERENTIATED = ["conv1d", "conv1d.padding", "conv2d", "conv2d.padding"]
#: Operators whose kernels read outside of operands without elements.
NOT_WITHOUT_ELEMENTS = frozenset(("mm", "mm.out", "addmm", "addmm.out", "bmm", "bmm.out", "baddbmm", "mv"))
#: What a function of FlagGems raises that meets a call it was not written for: its own checks, and Python's errors
#: where it has none. Whether the call itself is wrong, the next target says, in PyTorch's words.
REFUSALS = (
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    NotImplementedError,
    TypeError,
    ValueError,
    ZeroDivisionError,
)
#: Of these, how FlagGems tells a caller that an argument is wrong.
WRONG_ARGUMENTS = (IndexError, ValueError)
_LIBRARY = "flagos_target_flaggems"


def register() -> None:
    """Declares the targets, present or with the reason why they are not; loads nothing of FlagGems."""
    import_hook.install()
    found = package.find()
    if isinstance(found, str):
        for name, aliases in FLAGGEMS_TARGETS.items():
            routing._ops.declare_absent_target(name, aliases, found)
    else:
        routing.provide_targets(
            FLAGGEMS_TARGETS, _LIBRARY, DRIVERS, [*found.entries, *derived.FUNCTIONS], DIFFERENTIATED, _function
        )


def _function(op: str) -> Callable[..., Any]:
    """FlagGems' function for an operator, with a failed compile turned into a declined call.

    A call is handed on only while none of its kernels has been launched: after that its operands may be written.
    Where FLAGOS_STRICT=1 forbids handing on, what FlagGems says of a wrong index or value reaches the caller as it is.
    """
    import flag_gems
    from triton.compiler.errors import CompilationError

    overload = routing._overload(op)
    writes_operands = overload._schema.is_mutable
    strict = core.flag("FLAGOS_STRICT")
    outputs = [argument.name for argument in overload._schema.arguments if argument.is_out]
    function = derived.FUNCTIONS.get(op) or next(entry[1] for entry in flag_gems._FULL_CONFIG if entry[0] == op)

    def call(*args: Any, **kwargs: Any) -> Any:
        if outputs:
            sized = _outputs_sized(overload, outputs, args, kwargs)
            if sized is not None:
                routing.decline(sized)
        if op in NOT_WITHOUT_ELEMENTS and any(isinstance(arg, torch.Tensor) and not arg.numel() for arg in args):
            routing.decline("FlagGems' kernel reads outside of operands without elements")
        before = launch_count() - _spent.launches
        try:
            result = function(*args, **kwargs)
        except (CompileError, CompilationError) as error:
            if launch_count() - _spent.launches != before:
                raise
            routing.decline(f"a kernel of FlagGems does not compile: {_first_sentence(error)}", remember=True)
        except REFUSALS as error:
            if launch_count() - _spent.launches != before or (strict and isinstance(error, WRONG_ARGUMENTS)):
                raise
            routing.decline(f"FlagGems does not serve such a call: {type(error).__name__} {error}".rstrip())

        if not writes_operands:
            _spent.launches = launch_count() - before
        return result

    return call


def _outputs_sized(
    overload: torch._ops.OpOverload, outputs: list[str], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> str | None:
    """Gives the outputs of the call the sizes of its results, as PyTorch does; or says why they are not known.

    FlagGems' kernels write into an output whatever its size is."""
    without_data = tree_map_only(torch.Tensor, lambda tensor: tensor.to("meta"), (args, kwargs))
    for name in outputs:
        without_data[1][name] = torch.empty(0, dtype=kwargs[name].dtype, device="meta")
    try:
        overload(*without_data[0], **without_data[1])
    except (RuntimeError, *REFUSALS) as error:
        return f"the size of its output is not known beforehand: {_first_sentence(error)}"
    for name in outputs:
        _maybe_resize_out(kwargs[name], without_data[1][name].shape)
    return None


class _Spent(threading.local):
    """Launches of finished calls that wrote nothing but their own results: what called them may still go elsewhere."""

    launches = 0


_spent = _Spent()


def _first_sentence(error: Exception) -> str:
    # Triton's own errors show the source line first and say what is wrong in their cause.
    told = str(error.__cause__ or getattr(error, "error_message", None) or error)
    return next((line.strip() for line in told.splitlines() if line.strip()), type(error).__name__)


def is_flaggems_enabled() -> bool:
    """Whether FlagGems' kernels can serve operators in this process; `routing.targets()` says why not."""
    return any(target.name in FLAGGEMS_TARGETS and target.present for target in routing.targets())


def get_registered_ops() -> list[str]:
    """The operators that have a routed kernel on the device, as conf files name them ("add.Tensor"), sorted."""
    return sorted({route.operator for route in routing.table()})
