"""A server program of another environment, as a process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from mcptasks.dev.supervisor import free_ports
from tests.support.polling import eventually

START_SECONDS = 90


@contextmanager
def serving(command: list[str], folder: Path) -> Iterator[str]:
    """The URL of the server, while it runs."""
    port = free_ports(1)[0]
    url, log = f"http://127.0.0.1:{port}/mcp", folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen([*command, str(port)], cwd=folder, env={**os.environ}, stdout=output, stderr=output)

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return httpx2.get(url, timeout=2).status_code < 500
        except httpx2.TransportError:
            return False

    try:
        eventually(f"{url} answers", answers, START_SECONDS)
        yield url
    finally:
        process.kill()
        process.wait()
