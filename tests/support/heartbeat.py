"""Says twice a minute how far a long run has come, and which files it is at."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import pytest

PAUSE_SECONDS = 30.0


@dataclass(eq=False)
class Heartbeat:
    """A plugin of the process that has the terminal; its tests may run in others."""

    reporter: pytest.TerminalReporter
    started: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)
    ended: int = 0
    running: dict[str, str] = field(default_factory=dict)
    """File of each test that runs, by its id."""

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        self.running[nodeid] = location[0]

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.running.pop(nodeid, None)
        self.ended += 1
        if (now := time.monotonic()) - self.told >= PAUSE_SECONDS:
            self.told = now
            self.reporter.ensure_newline()
            self.reporter.write_line(self.line(now))

    def line(self, now: float) -> str:
        minutes, seconds = divmod(int(now - self.started), 60)
        files = ", ".join(sorted(set(self.running.values())))
        return f"-- {minutes} min {seconds:02} s: {self.ended} tests done{f', now in {files}' if files else ''}"
