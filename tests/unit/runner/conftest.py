"""Fixtures of the runner's tests: a gateway on loopback, a token, and the real process."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.fake_gateway import FakeGateway
from tests.support.fork_server import ForkedProcess, ForkServer

IMPORTS = """
import mcptasks, mcptasks.runner.main, mcptasks.settings
"""

SCRIPT = """
import sys
from mcptasks.runner.main import leave, run
from mcptasks.runner.gateway_client import RetryPace
from mcptasks.settings import Settings

leave(run(Settings(), RetryPace(first=0.01, longest=0.05, unauthorized=0.3)))
"""

HEADER = """
import os, signal, subprocess, sys, threading, time
from pathlib import Path
from mcptasks import TaskServer, progress
mcp = TaskServer("tools")
"""


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("token-1\n")
    return file


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    with FakeGateway().running() as gateway:
        yield gateway


@dataclass
class Runner:
    """Starts the runner as a process of its own, with the user's module as given."""

    forks: ForkServer
    gateway: FakeGateway
    token_file: Path
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    processes: list[ForkedProcess] = field(default_factory=list)

    def module(self, source: str, name: str = "tools.py") -> None:
        """Write the user's module; imports and `mcp` are there."""
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(HEADER + dedent(source))
        self.environment["MCPTASKS_MODULE"] = str(file)

    def start(self) -> ForkedProcess:
        settings = {
            "MCPTASKS_GATEWAY_URL": self.gateway.url,
            "MCPTASKS_TOKEN_FILE": str(self.token_file),
        }
        process = self.forks.start(SCRIPT, self.folder, {**os.environ, **settings, **self.environment})
        self.processes.append(process)
        return process

    def run(self) -> Ended:
        """Run it to its end."""
        return ended(self.start())

    def clean_up(self) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.close()


@dataclass(frozen=True)
class Ended:
    """What an ended process has left."""

    code: int
    out: str
    err: str


def ended(process: ForkedProcess) -> Ended:
    code = process.wait(timeout=60)
    # Left-over children may hold the pipes open, so nothing waits for their end.
    for pipe in (process.stdout, process.stderr):
        os.set_blocking(pipe.fileno(), False)
    return Ended(code, _rest(process.stdout), _rest(process.stderr))


def _rest(pipe: object) -> str:
    data = bytearray()
    while True:
        try:
            chunk = os.read(pipe.fileno(), 65536)  # type: ignore[attr-defined]
        except BlockingIOError:
            break
        if not chunk:
            break
        data += chunk
    return data.decode()


@pytest.fixture(scope="session")
def forks() -> Iterator[ForkServer]:
    with ForkServer.running(IMPORTS) as server:
        yield server


@pytest.fixture
def runner(forks: ForkServer, gateway: FakeGateway, token_file: Path, tmp_path: Path) -> Iterator[Runner]:
    runner = Runner(forks, gateway, token_file, tmp_path)
    yield runner
    runner.clean_up()


def structured(gateway: FakeGateway) -> object:
    """The tool's return value in the outcome."""
    outcome = gateway.outcome()
    assert outcome["kind"] == "result", outcome
    return json.loads(outcome["text"])["structuredContent"]
