"""A rank binds its device before the group is made; what cannot be is one clear error."""

from __future__ import annotations

import os
from pathlib import Path

from tests.python.process import fresh, output_of

CONTRACT = str(Path(__file__).parent / "contract")
PATH = os.pathsep.join(filter(None, [CONTRACT, os.environ.get("PYTHONPATH")]))


def test_the_device_is_bound_before_the_group_is_made() -> None:
    program = """
        import torch, torch_fl, torch.distributed as dist
        from lightx2v_fl import collectives
        seen = []
        dist.init_process_group = lambda backend: seen.append((backend, torch.flagos.current_device()))
        collectives.backend = lambda: "cpu:gloo,flagos:flagcx"
        collectives.init_process_group({"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"})
        print(seen)
    """
    assert output_of(program, PYTHONPATH=PATH, FLAGOS_HOST_DEVICES="2") == "[('cpu:gloo,flagos:flagcx', 1)]"


def test_ranks_beyond_the_devices_share_them_and_are_told() -> None:
    program = """
        import torch, torch_fl
        from lightx2v_fl import collectives
        print(collectives.bind_device(1))
    """
    done = fresh(program, PYTHONPATH=PATH, FLAGOS_HOST_DEVICES="1")
    assert done.stdout.strip() == "0"
    assert "FLAGOS_HOST_DEVICES=2" in done.stderr


def test_without_a_launcher_or_a_backend_the_reason_is_said() -> None:
    program = """
        import torch_fl, torch.distributed as dist
        from lightx2v_fl import collectives
        dist.is_backend_available = lambda name: name == "gloo"
        collectives.init_process_group({environment})
    """
    done = fresh(program.format(environment="{}"), PYTHONPATH=PATH)
    assert "RANK and WORLD_SIZE not set; start a parallel run by torchrun" in done.stderr
    ranks = '{"RANK": "0", "WORLD_SIZE": "2"}'
    done = fresh(program.format(environment=ranks), PYTHONPATH=PATH)
    assert "no collective backend 'flagcx' for flagos" in done.stderr
    done = fresh(program.format(environment=ranks), PYTHONPATH=PATH, LIGHTX2V_FL_DISABLE_FLAGCX="1")
    assert "brings no collectives of its own" in done.stderr
