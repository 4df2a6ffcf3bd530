"""A process beside an embedded cluster that cleans up when the cluster's own process dies without doing so.

Its standard input is a pipe that only the cluster holds open. When the pipe closes, for whatever reason, it kills every
process whose container marker starts with the cluster's id and removes the cluster's directory. It runs as a plain
file and imports nothing of this package.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time

import psutil

_ROUNDS = 200
_PAUSE_SECONDS = 0.02


def members(variable: str, prefix: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(variable, "").startswith(prefix):
                found.append(process.pid)
    return found


def main() -> None:
    variable, prefix, directory = sys.argv[1:4]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 4096):
        pass
    for _ in range(_ROUNDS):
        pids = members(variable, prefix)
        if not pids:
            break
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_SECONDS)
    if directory:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
