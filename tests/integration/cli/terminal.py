"""A terminal whose screen a test can read, with a command in it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

HOME = b"\x1b[H"
SECOND_SCREEN, FIRST_SCREEN = b"\x1b[?1049h", b"\x1b[?1049l"
STYLES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
WAIT_SECONDS = 60.0


@dataclass(eq=False)
class TerminalRun:
    """A command on a terminal of its own."""

    process: subprocess.Popen[bytes]
    keys: int
    screen: int
    settings: list[object]
    sent: bytes = b""

    def press(self, keys: bytes) -> None:
        os.write(self.keys, keys)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.screen, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        os.kill(self.process.pid, signal.SIGWINCH)

    def frame(self, pattern: str, seconds: float = WAIT_SECONDS) -> str:
        """Wait for a whole frame that the pattern is found in."""
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            for frame in self.frames():
                if re.search(pattern, frame, re.MULTILINE):
                    return frame
            self._read(0.2)
        raise AssertionError(f"no frame with {pattern!r} in {seconds} s; the last was:\n{self.frames()[-1]}")

    def frames(self) -> list[str]:
        """All frames since the last key, without their styles. The last one may be drawn still."""
        frames = [STYLES.sub("", part.decode(errors="replace")) for part in self.sent.split(HOME)]
        return ["\n".join(line.rstrip() for line in frame.splitlines()) for frame in frames]

    def forget(self) -> None:
        """Only frames that are drawn from now on count."""
        self.sent = self.sent[self.sent.rfind(HOME) :]

    def end(self, seconds: float = WAIT_SECONDS) -> int:
        """Wait for the end; gives the exit code."""
        give_up_at = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < give_up_at:
            self._read(0.1)
        while self._read(0.1):
            pass
        return self.process.wait(1)

    @property
    def is_restored(self) -> bool:
        """Whether the shell gets its terminal back as it was: screen, cursor, keys."""
        left = self.sent.rpartition(FIRST_SCREEN)[2]
        return left.endswith(b"\x1b[?25h") and termios.tcgetattr(self.screen) == self.settings

    def _read(self, seconds: float) -> bool:
        ready = bool(select.select([self.keys], [], [], seconds)[0])
        if ready:
            self.sent += os.read(self.keys, 65_536)
        return ready


@contextmanager
def on_terminal(
    *words: str, columns: int = 100, lines: int = 24, environment: Mapping[str, str] | None = None
) -> Iterator[TerminalRun]:
    """Run `mcptasks` with the words for the block; it is killed at its end if it still runs."""
    keys, screen = pty.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    settings = termios.tcgetattr(screen)
    process = subprocess.Popen(
        [sys.executable, "-m", "mcptasks", *words],
        stdin=screen,
        stdout=screen,
        stderr=screen,
        env={**os.environ, "TERM": "xterm-256color", **(environment or {})},
        start_new_session=True,
    )
    try:
        yield TerminalRun(process, keys, screen, settings)
    finally:
        process.kill()
        process.wait()
        os.close(keys)
        os.close(screen)
