"""A process that has imported what many tests start a Python process for, and forks one for each of them.

Importing the MCP SDK takes a second and more of CPU, which a fork does not. What a test starts is else as with
`subprocess.Popen`: a session, folder, environment and pipes of its own, and a main thread that runs the given program.
What is about the interpreter's start itself (options, `PYTHON*` variables) wants a `subprocess.Popen`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.support.fork_server_process import REQUEST_BYTES

PROGRAM = Path(__file__).parent / "fork_server_process.py"


@dataclass
class ForkedProcess:
    """A forked process, with those members of `subprocess.Popen[str]` that tests use."""

    server: ForkServer
    pid: int
    stdout: IO[str]
    stderr: IO[str]
    returncode: int | None = None

    def wait(self, timeout: float) -> int:
        """Wait for its end, at most `timeout` seconds; gives the exit code, negative for a signal.

        :raises subprocess.TimeoutExpired: it goes on.
        """
        if self.returncode is None:
            self.returncode = self.server.code_of(self.pid, timeout)
        return self.returncode

    def communicate(self, timeout: float = 30) -> tuple[str, str]:
        """What it prints until the end, or until nobody holds the pipes any more.

        :raises subprocess.TimeoutExpired: its pipes are closed, and it goes on.
        """
        with self.stdout, self.stderr, ThreadPoolExecutor(1) as beside:
            err = beside.submit(self.stderr.read)
            out = self.stdout.read()
            printed = (out, err.result())
        self.wait(timeout)
        return printed

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Wait for its end, and read nothing more."""
        self.wait(30)
        self.stdout.close()
        self.stderr.close()


@dataclass
class ForkServer:
    """Forks processes; see the module."""

    connection: socket.socket
    codes: dict[int, int] = field(default_factory=dict)
    """Exit codes that have come while something else was awaited, by process id."""

    @classmethod
    @contextmanager
    def running(cls, imports: str) -> Iterator[ForkServer]:
        """Start one that has run the statements `imports`."""
        own, given = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with own:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, REQUEST_BYTES)
            with given:
                descriptor = given.fileno()
                process = subprocess.Popen(
                    [sys.executable, "-P", str(PROGRAM), str(descriptor), imports],
                    pass_fds=[descriptor],
                    # The processes' `sys.stdout` was made for it: for a pipe, as they have.
                    stdout=subprocess.PIPE,
                )
            yield cls(own)
        process.communicate()

    def start(self, program: str, folder: Path, environment: dict[str, str]) -> ForkedProcess:
        """Run `program` in a process of its own."""
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        request = {"program": program, "folder": str(folder), "environment": environment}
        try:
            socket.send_fds(self.connection, [json.dumps(request).encode()], [out_end, err_end])
        finally:
            os.close(out_end)
            os.close(err_end)
        while "started" not in (message := self._message(time.monotonic() + 60)):
            self.codes[message["pid"]] = message["code"]
        return ForkedProcess(self, message["started"], open(out), open(err))

    def code_of(self, pid: int, timeout: float) -> int:
        """Wait for a process's end.

        :raises subprocess.TimeoutExpired: it goes on.
        """
        deadline = time.monotonic() + timeout
        while pid not in self.codes:
            message = self._message(deadline)
            self.codes[message["pid"]] = message["code"]
        return self.codes.pop(pid)

    def _message(self, deadline: float) -> dict[str, int]:
        seconds = max(deadline - time.monotonic(), 0.001)
        self.connection.settimeout(seconds)
        try:
            data = self.connection.recv(4096)
        except TimeoutError:
            raise subprocess.TimeoutExpired("a forked process", seconds) from None
        assert data, "the fork server has ended"
        message: dict[str, int] = json.loads(data)
        return message
