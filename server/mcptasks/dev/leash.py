"""Runs a Python program that ends when the process at the other end of a pipe ends, however that ends.

The supervisor starts its components with `python -m mcptasks.dev.leash DESCRIPTOR MODULE ARGUMENT...`.
PR_SET_PDEATHSIG would not do: it acts when the *thread* ends that started the child, and exists on Linux only.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


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
