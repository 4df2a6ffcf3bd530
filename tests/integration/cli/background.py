"""A command that runs beside the test, whose lines can be waited for."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue

import psutil

WAIT_SECONDS = 120.0


class Background:
    """A running `mcptasks` command; standard output and error come together."""

    def __init__(
        self,
        words: Sequence[str],
        directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        self.process = subprocess.Popen(
            [python, "-m", "mcptasks", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=directory,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._incoming: SimpleQueue[str | None] = SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self._incoming.put(line.rstrip("\n"))
        self._incoming.put(None)

    @property
    def text(self) -> str:
        """All that was printed so far."""
        return "\n".join(self.lines)

    def line(self, pattern: str, seconds: float = WAIT_SECONDS) -> re.Match[str]:
        """Wait for the next line that the pattern is found in."""
        give_up_at = time.monotonic() + seconds
        while True:
            try:
                line = self._incoming.get(timeout=max(0.01, give_up_at - time.monotonic()))
            except Empty:
                raise AssertionError(f"no line with {pattern!r} in {seconds} s; there was:\n{self.text}") from None
            if line is None:
                raise AssertionError(f"ended without a line with {pattern!r}; there was:\n{self.text}")
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def end(self, seconds: float = WAIT_SECONDS) -> int:
        """Wait for the end; gives the exit code."""
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        while (line := self._incoming.get()) is not None:
            self.lines.append(line)
        return code

    def descendants(self) -> list[psutil.Process]:
        """All processes below the command."""
        return psutil.Process(self.process.pid).children(recursive=True)


@contextmanager
def running(
    *words: str,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> Iterator[Background]:
    """Run the command for the block, in any environment that has it; it is killed at its end if it still runs."""
    background = Background(words, directory, environment, python)
    try:
        yield background
    finally:
        background.process.kill()
        background.process.wait()
        background._reader.join(10)


def gone(processes: Sequence[psutil.Process], seconds: float = 60.0) -> bool:
    """Whether all processes are gone, at the latest after the given time."""
    _, alive = psutil.wait_procs(list(processes), timeout=seconds)
    return all(process.status() == psutil.STATUS_ZOMBIE for process in alive if process.is_running())
