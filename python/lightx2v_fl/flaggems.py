"""LIGHTX2V_FL_GLOBAL_GEMS: FlagGems' kernels for every operator that they serve, by the device's routes.

Nothing of PyTorch is patched: it is an override of the routing table (torch_fl.routing), so `flagos explain` tells of
it, FLAGOS_STRICT holds, and where FlagGems cannot serve this device each call goes on to the next target, as it would
from a conf file.
"""

from __future__ import annotations

from lightx2v_fl import journal, settings

_TARGETS = ("flagos", "flagos_python")  # FlagGems from C++, and through its Python functions


def route_all_if_asked() -> None:
    """Sets the routes when the variable asks for it; says once what came of it. Called for PLATFORM=flagos alone.

    ValueError for a name in LIGHTX2V_FL_GEMS_UNUSED that is no operator."""
    if not settings.flag("LIGHTX2V_FL_GLOBAL_GEMS"):
        return
    from torch_fl import routing

    targets = {target.name: target for target in routing.targets() if target.name in _TARGETS}
    present = [name for name in _TARGETS if name in targets and targets[name].present]
    if not present:
        reasons = "; ".join(f"{name}: {target.absent}" for name, target in targets.items())
        journal.warning(
            f"lightx2v_fl: LIGHTX2V_FL_GLOBAL_GEMS=1 changes nothing: FlagGems does not serve this device ({reasons})"
        )
        return
    routing.override("*", [*present, "cpu"])
    unused = settings.words("LIGHTX2V_FL_GEMS_UNUSED")
    for operator in unused:
        routing.override(operator, "cpu")
    journal.info(
        f"lightx2v_fl: every operator goes to {', '.join(present)} first"
        + (f", but for {', '.join(unused)}" if unused else "")
    )
