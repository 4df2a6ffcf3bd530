"""FastMCP 4.1 with its Redis workers, on this machine: what `warm.py` compares with."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil

from benchmarks.process_usage import cpu_of
from tests.support.environments import CACHE, virtual_environment
from tests.support.ports import free_port
from tests.support.redis import running_redis

PACKAGES = ("fastmcp==4.1.2", "fastmcp-tasks==4.1.2")
ENVIRONMENT = CACHE / "clients" / "fastmcp-4"
"""That of the tests with foreign clients: the same packages."""

PROGRAM = Path(__file__).parent / "programs" / "fastmcp_server.py"
CONNECTIONS = 2000
"""redis-py opens 100 at most unless told otherwise, and then some of 200 calls at once fail."""

START_SECONDS = 90.0
STOP_SECONDS = 10.0
EXECUTED = "executed"
"""What a tool prints each time that it runs."""


@dataclass(frozen=True)
class RedisWorkers:
    """A server, whose process has a worker of its own, further worker processes, and a Redis."""

    endpoint: str
    folder: Path
    processes: dict[str, psutil.Process]

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by process."""
        return {name: cpu_of([process]) for name, process in self.processes.items()}

    def executions(self) -> int:
        """How many times tools have run so far."""
        return sum(log.read_text().count(EXECUTED) for log in self.folder.glob("*.log"))


@contextmanager
def redis_workers(concurrency: int, workers: int) -> Iterator[RedisWorkers]:
    """FastMCP as long as the context lasts.

    Args:
        concurrency: tasks at a time in one worker.
        workers: worker processes beside the server, which always has one.

    Raises:
        InstallError: FastMCP cannot be installed.
    """
    python = virtual_environment(ENVIRONMENT, PACKAGES)
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mcptasks-fastmcp-")))
        environment = {
            **os.environ,
            "FASTMCP_DOCKET_URL": f"{redis.url}?max_connections={CONNECTIONS}",
            "FASTMCP_DOCKET_CONCURRENCY": str(concurrency),
        }
        port = free_port()
        commands = {"server": [str(python), str(PROGRAM), str(port)]}
        for number in range(1, workers + 1):
            commands[f"worker-{number}"] = [str(python), "-m", "fastmcp_tasks.worker_cli", "worker", str(PROGRAM)]
        processes = {
            name: stack.enter_context(_running(command, environment, folder / f"{name}.log"))
            for name, command in commands.items()
        }
        (found,) = (child for child in psutil.Process().children() if str(redis.port) in " ".join(child.cmdline()))
        endpoint = f"http://127.0.0.1:{port}/mcp"
        _wait(endpoint, processes, folder)
        known = {name: psutil.Process(process.pid) for name, process in processes.items()}
        yield RedisWorkers(endpoint, folder, known | {"redis": found})


@contextmanager
def _running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=log.parent, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(endpoint: str, processes: dict[str, subprocess.Popen[bytes]], folder: Path) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while not _answers(endpoint):
        for name, process in processes.items():
            log = folder / f"{name}.log"
            assert process.poll() is None, f"FastMCP's {name} ended at its start:\n{log.read_text()[-2000:]}"
        assert time.monotonic() < give_up_at, f"FastMCP does not answer after {START_SECONDS:.0f} s"
        time.sleep(0.1)


def _answers(endpoint: str) -> bool:
    try:
        return httpx2.get(endpoint, timeout=2).status_code < httpx2.codes.INTERNAL_SERVER_ERROR
    except httpx2.TransportError:
        return False
