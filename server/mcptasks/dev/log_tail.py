"""What a process appends to its log file, line by line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LOG_POLL_SECONDS = 0.2

Say = Callable[[str], None]
"""Prints a line."""


@dataclass(eq=False)
class LogTail:
    """Prints what is appended to a file."""

    file: Path
    say: Say
    _position: int = 0

    def drain(self) -> None:
        """Print all complete lines that are new."""
        if not self.file.exists():
            return
        with self.file.open("rb") as log:
            log.seek(self._position)
            new = log.read()
        complete = new[: new.rfind(b"\n") + 1]
        self._position += len(complete)
        for line in complete.decode(errors="replace").splitlines():
            self.say(line)

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            self.drain()
            await asyncio.sleep(LOG_POLL_SECONDS)
