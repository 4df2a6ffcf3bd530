"""Runs a Python program that ends when the process at the other end of a pipe ends, however that ends.

It runs as `python -m mcptasks.dev.leash DESCRIPTOR MODULE ARGUMENT...`; `leashed` makes that command, and its caller
names the module. PR_SET_PDEATHSIG would not do: it acts when the *thread* ends that started the child, and exists on
Linux only.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
from collections.abc import Sequence


def leashed(descriptor: int, module: str, arguments: Sequence[str] = ()) -> list[str]:
    """The command that runs a module as `python -P -m` would, and ends it with the pipe's last writer.

    With `-P` a file of the working directory hides no module, whatever its name is.

    Args:
        descriptor: the read end of the pipe, which the process has to inherit.
        module: the module to run.
        arguments: its arguments.
    """
    return [sys.executable, "-P", "-m", __name__, str(descriptor), module, *arguments]


def hold_on_to(descriptor: int) -> None:
    """Kill this process as soon as nobody holds the write end of the pipe any more."""

    def watch() -> None:
        # Nothing is ever written: read returns when the last writer is gone.
        os.read(descriptor, 1)
        os.kill(os.getpid(), signal.SIGKILL)

    os.set_inheritable(descriptor, False)
    threading.Thread(target=watch, name="leash", daemon=True).start()


if __name__ == "__main__":
    hold_on_to(int(sys.argv[1]))
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
