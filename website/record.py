"""Record a command in a terminal of its own: `python -m website.record OUTPUT.svg COMMAND...`."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from website.terminal_recording import COLUMNS, ROWS, Printed, recording

BLOCK = 1 << 16
OUTER_MAKE = ("MAKELEVEL", "MAKEFLAGS", "MFLAGS")
"""What would have a make say which folder it is in."""


def run(command: Sequence[str]) -> Iterator[Printed]:
    """What the command prints, as it comes. Raises RuntimeError where it fails."""
    pid, terminal = pty.fork()
    if pid == 0:
        for name in OUTER_MAKE:
            os.environ.pop(name, None)
        os.environ["TERM"] = "xterm-256color"
        os.execvp(command[0], list(command))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    started = time.monotonic()
    while block := _read(terminal):
        yield Printed(time.monotonic() - started, block.decode(errors="replace"))
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        raise RuntimeError(f"{' '.join(command)} has ended with exit code {code}")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, BLOCK)
    except OSError:
        # Linux says so when nobody has the other end any more.
        return b""


def main(words: Sequence[str]) -> None:
    """Record, and write the picture."""
    output, *command = words
    Path(output).write_text(recording(list(run(command)), " ".join(command)))


if __name__ == "__main__":
    main(sys.argv[1:])
