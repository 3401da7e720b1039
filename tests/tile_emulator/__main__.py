"""pytest in a process with tiles: python -m tests.tile_emulator tests/triton -k bfloat16

Ends with a line of JSON: how many tile instructions the emulator executed, or null where the processor did.
"""

from __future__ import annotations

import json
import os
import sys

import pytest

from . import absent, emulated, environment, executed, loaded


def main() -> int:
    if reason := absent():
        print(f"not run: {reason}")
        return 0
    if not loaded():
        os.execve(sys.executable, [sys.executable, "-m", "tests.tile_emulator", *sys.argv[1:]], environment())
    # pytest's fault handler would take the signal for itself.
    code = pytest.main(["-p", "no:faulthandler", "-p", "no:cacheprovider", *sys.argv[1:]])
    print(f"Tile instructions were executed by {'the emulator' if emulated() else 'the processor'}:")
    print(json.dumps(executed() if emulated() else None))
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
