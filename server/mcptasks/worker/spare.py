"""A reaper above a fresh interpreter that loads the module and runs one task.

For modules that do not let their process be copied: `python -m mcptasks.worker.spare CONTROL`, where that is a
descriptor.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

from mcptasks.worker.output_lines import tag_of
from mcptasks.worker.reaper import Reaper, Surroundings

CHILD_MODULE = "mcptasks.worker.task_child"
LOG_FORMAT = "MCPTASKS_LOG_FORMAT"


def supervise_interpreter(control: socket.socket) -> None:
    """Start an interpreter when told to, and see it through to its end."""

    def start(channel: socket.socket, surroundings: Surroundings) -> int:
        channel.set_inheritable(True)
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", CHILD_MODULE, str(channel.fileno())],
            {**os.environ, "TMPDIR": str(surroundings.temporary)},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, surroundings.stdout, 1),
                (os.POSIX_SPAWN_DUP2, surroundings.stderr, 2),
            ],
            setsid=True,
            setsigdef=sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}),
        )

    Reaper(control, start, tag_of(os.environ.get(LOG_FORMAT, "human")), once=True).run()


if __name__ == "__main__":
    supervise_interpreter(socket.socket(fileno=int(sys.argv[1])))
