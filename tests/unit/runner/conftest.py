"""Fixtures of the runner's tests: a gateway on loopback, a token, and the real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.fake_gateway import FakeGateway

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

    gateway: FakeGateway
    token_file: Path
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def module(self, source: str, name: str = "tools.py") -> None:
        """Write the user's module; imports and `mcp` are there."""
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(HEADER + dedent(source))
        self.environment["MCPTASKS_MODULE"] = str(file)

    def start(self) -> subprocess.Popen[str]:
        settings = {
            "MCPTASKS_GATEWAY_URL": self.gateway.url,
            "MCPTASKS_TOKEN_FILE": str(self.token_file),
            "PYTHONUNBUFFERED": "",
        }
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", SCRIPT],
            cwd=self.folder,
            env={**os.environ, **settings, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def run(self) -> Ended:
        """Run it to its end."""
        return ended(self.start())

    def clean_up(self) -> None:
        for process in self.processes:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            finally:
                process.communicate()


@dataclass(frozen=True)
class Ended:
    """What an ended process has left."""

    code: int
    out: str
    err: str


def ended(process: subprocess.Popen[str]) -> Ended:
    code = process.wait(timeout=30)
    # Left-over children may hold the pipes open, so nothing waits for their end.
    for pipe in (process.stdout, process.stderr):
        assert pipe is not None
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


@pytest.fixture
def runner(gateway: FakeGateway, token_file: Path, tmp_path: Path) -> Iterator[Runner]:
    runner = Runner(gateway, token_file, tmp_path)
    yield runner
    runner.clean_up()


def structured(gateway: FakeGateway) -> object:
    """The tool's return value in the outcome."""
    outcome = gateway.outcome()
    assert outcome["kind"] == "result", outcome
    return json.loads(outcome["text"])["structuredContent"]
