"""The real worker as a process, with a gateway that the test speaks for.

It is forked from a process that has imported what agent and zygote import. All else is as with `mcptasks worker`, which
the tests of whole installations start.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

import psutil

from tests.support.fork_server import ForkedProcess, ForkServer
from tests.support.work_gateway import WAIT_SECONDS, WorkGateway

IMPORTS = """
import mcptasks.worker.worker_process, mcptasks.worker.zygote
"""

SCRIPT = """
import ctypes, os, sys
from mcptasks.runner.gateway_client import RetryPace
from mcptasks.settings import Settings
from mcptasks.worker.worker_process import run_worker

if os.environ.get("WITHOUT_CAPABILITIES"):
    # As in a Pod. Tests may run as root, which may look at every process.
    assert ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()) == 0

# Both outputs in one file, which nobody has to read for the worker to go on.
log = os.open("log", os.O_WRONLY)
os.dup2(log, 1)
os.dup2(log, 2)
os.close(log)

sys.exit(run_worker(Settings(), RetryPace(first=0.02, longest=0.1), silence=1.5))
"""

HEADER = """
import asyncio, os, signal, subprocess, sys, threading, time
from pathlib import Path
from mcptasks import TaskServer, progress
mcp = TaskServer("tools")
"""


@dataclass(frozen=True)
class EndedWorker:
    """How a worker ended, and what it had printed."""

    code: int
    log: str


@dataclass
class Worker:
    """Starts a worker in a folder, with the user's module as given."""

    forks: ForkServer
    gateway: WorkGateway
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: ForkedProcess | None = None

    def module(self, source: str) -> None:
        """Write the user's module; imports and `mcp` are there."""
        file = self.folder / "tools.py"
        file.write_text(HEADER + dedent(source))
        self.environment["MCPTASKS_MODULE"] = str(file)

    def start(self) -> None:
        (self.folder / "token").write_text("token-1\n")
        (self.folder / "tmp").mkdir(exist_ok=True)
        settings = {
            "MCPTASKS_GATEWAY_URL": self.gateway.url,
            "MCPTASKS_TOKEN_FILE": str(self.folder / "token"),
            "MCPTASKS_GRACE_SECONDS": "3",
            "TMPDIR": str(self.folder / "tmp"),
        }
        (self.folder / "log").touch()
        self.process = self.forks.start(SCRIPT, self.folder, {**os.environ, **settings, **self.environment})

    def ready(self) -> None:
        """Start it and wait until it asks for work."""
        self.start()
        assert self.gateway.connection, self.log

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def agent(self) -> psutil.Process:
        assert self.process is not None
        return psutil.Process(self.process.pid)

    def processes(self) -> list[psutil.Process]:
        """All processes of the worker but the agent."""
        return [each for each in self.agent.children(recursive=True) if each.status() != psutil.STATUS_ZOMBIE]

    def zygote(self) -> psutil.Process:
        (found,) = [each for each in self.agent.children() if each.status() != psutil.STATUS_ZOMBIE]
        return found

    def ended(self) -> EndedWorker:
        """Wait for its end."""
        assert self.process is not None
        try:
            return EndedWorker(self.process.wait(WAIT_SECONDS), self.log)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker does not end:\n{self.log}") from None

    def temporary_files(self) -> list[Path]:
        return list((self.folder / "tmp").iterdir())

    def clean_up(self) -> None:
        if self.process is None:
            return
        with suppress(psutil.Error):
            for each in [*self.agent.children(recursive=True), self.agent]:
                with suppress(psutil.Error):
                    each.kill()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.close()


@contextmanager
def a_worker(forks: ForkServer, folder: Path) -> Iterator[Worker]:
    with WorkGateway().running() as gateway:
        worker = Worker(forks, gateway, folder)
        try:
            yield worker
        finally:
            worker.clean_up()


def gone(pid: int, seconds: float = 10) -> bool:
    """Whether the process ends within some time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False
