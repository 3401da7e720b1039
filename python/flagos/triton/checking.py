"""FLAGOS_TRITON_CHECK=1: a child process compiles each kernel first, since text that LLVM refuses ends its process.

    python -m flagos.triton.checking TRIPLE CPU FEATURES < kernel.ll

is that child.
"""

from __future__ import annotations

import signal
import subprocess
import sys

from flagos import core
from flagos.triton import llvm, native


def wanted() -> bool:
    return core.variable("FLAGOS_TRITON_CHECK") == "1"


def before_llvm(program: native.Program) -> None:
    """Raises CompileError with what LLVM said when a child process does not survive compiling the program."""
    if not wanted():
        return
    target = native.host_target()
    command = [sys.executable, "-m", "flagos.triton.checking", target.triple, target.cpu, target.features]
    done = subprocess.run(command, input=program.llvm_ir, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    how = (
        f"was ended by {signal.Signals(-done.returncode).name}"
        if done.returncode < 0
        else f"ended with status {done.returncode}"
    )
    raise native.CompileError(
        f"the LLVM IR of the kernel '{program.symbol}' was refused: the process that compiled it {how}. This is a "
        f"fault of flagos' compiler; FLAGOS_TRITON_DUMP=folder writes the text. LLVM said:\n{done.stderr.strip()}"
    )


def main() -> None:
    triple, cpu, features = sys.argv[1:]
    llvm.compile_object(sys.stdin.read(), native.Target(triple, cpu, features, lanes=0, stream_bytes=0, cache_bytes=0))


if __name__ == "__main__":
    main()
