"""The default process group of a distributed run: `flagos` tensors by FlagCX, `cpu` tensors by Gloo.

Launchers (torchrun) set RANK, LOCAL_RANK and WORLD_SIZE. A rank takes the device of its LOCAL_RANK before the group is
made, since a collective library binds to the device that is current. With fewer devices than ranks on a machine, as
with the host driver, ranks share them; LightX2V however names devices by rank, so that as many are needed:
FLAGOS_HOST_DEVICES.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed as dist

from lightx2v_fl import journal, settings


def init_process_group(environment: Mapping[str, str]) -> None:
    """Makes the default group. ValueError without a launcher's variables; RuntimeError where no backend serves
    flagos.
    """
    if dist.is_initialized():
        return
    absent = [name for name in ("RANK", "WORLD_SIZE") if name not in environment]
    if absent:
        raise ValueError(f"lightx2v_fl: {' and '.join(absent)} not set; start a parallel run by torchrun")
    bind_device(int(environment.get("LOCAL_RANK", environment["RANK"])))
    dist.init_process_group(backend=backend())


def bind_device(local_rank: int) -> int:
    """Makes the device of this rank of the machine the current one, and returns its index."""
    count = torch.flagos.device_count()
    index = local_rank % count
    if local_rank >= count:
        journal.warning(
            f"lightx2v_fl: local rank {local_rank} shares flagos:{index}, for there are {count} devices; LightX2V "
            f"names devices by rank. With the host driver, FLAGOS_HOST_DEVICES={local_rank + 1} or more gives each "
            f"rank one"
        )
    torch.flagos.set_device(index)
    return index


def backend() -> str:
    """The backend string for init_process_group."""
    own = vendor_backend() if settings.flag("LIGHTX2V_FL_DISABLE_FLAGCX") else "flagcx"
    if own is None:
        raise RuntimeError(
            "lightx2v_fl: LIGHTX2V_FL_DISABLE_FLAGCX is set, and the driver of this device brings no collectives of "
            "its own; unset it to use FlagCX"
        )
    if not dist.is_backend_available(own):
        raise RuntimeError(
            f"lightx2v_fl: PyTorch has no collective backend '{own}' for flagos in this process, so a run over several "
            f'ranks is not possible yet; run on one rank (without "parallel" in the config)'
        )
    return f"cpu:gloo,flagos:{own}"


def vendor_backend() -> str | None:
    """The collective backend other than FlagCX that the driver at hand registered in PyTorch for flagos, or None."""
    own = dist.Backend.default_device_backend_map.get("flagos")
    return None if own == "flagcx" else own
