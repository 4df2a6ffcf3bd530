"""Attacks with connections.

Against a server of its own on loopback, whose process may have 1,024 files open.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from tests.attacks.table import AttackTable
from tests.attacks.target import AttackedProcess, room_for_sockets, target

CONNECTIONS = 1500
WAIT_SECONDS = 15.0
CONNECT_SECONDS = 5.0
HEAD = b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@dataclass
class ConnectionCrowd:
    """Connections to one port, which send their first bytes and then a byte a second."""

    port: int
    first: bytes
    drop: bytes = b""
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    ended: int = 0
    reading: set[asyncio.Task[None]] = field(default_factory=set)

    async def connect(self, number: int) -> None:
        await asyncio.gather(*(self._connect() for _ in range(number)))

    async def _connect(self) -> None:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(self.first)
            self.writers.append(writer)
            task = asyncio.create_task(self._follow(reader, writer))
            self.reading.add(task)

    async def _follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dripping = asyncio.create_task(self._drip(writer)) if self.drop else None
        with suppress(OSError):
            while await reader.read(65536):
                pass
        if dripping is not None:
            dripping.cancel()
        self.ended += 1

    async def _drip(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await asyncio.sleep(1)
            writer.write(self.drop)

    @property
    def open(self) -> int:
        return len(self.writers) - self.ended

    async def close(self) -> None:
        for writer in self.writers:
            writer.close()
        for task in self.reading:
            task.cancel()
        await asyncio.gather(*self.reading, return_exceptions=True)


async def crowd(server: AttackedProcess, attack: str, port: int, first: bytes, drop: bytes = b"") -> None:
    """Open the connections, look who still answers, and how many of them are open in the end."""
    lines, memory = server.log_lines, server.megabytes
    attackers = ConnectionCrowd(port, first, drop)
    try:
        await attackers.connect(CONNECTIONS)
        health = [f"{name} {await server.health_of(number)}" for name, number in server.ports.items()]
        await asyncio.sleep(WAIT_SECONDS)
        later = f"open after {WAIT_SECONDS:.0f} s: {attackers.open}; endpoint {await server.health_of(server.endpoint)}"
        used = f"{server.process.num_fds()} descriptors, {server.megabytes - memory:+d} MB"
        server.show(attack, f"{'; '.join(health)}; {later}; {used}; {server.log_lines - lines} log lines")
    finally:
        await attackers.close()
        await asyncio.sleep(2)


async def nonsense(server: AttackedProcess) -> None:
    """Requests that are no HTTP, and requests for another protocol."""
    lines = server.log_lines
    upgrade = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n"
    for first in (b"no http at all\r\n\r\n", upgrade):
        for _ in range(500):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.endpoint)
            writer.write(first)
            with suppress(OSError):
                await reader.read()
            writer.close()
    server.show("1,000 requests that are not HTTP, or that ask for WebSocket", f"{server.log_lines - lines} log lines")


async def _attack(table: AttackTable) -> None:
    room_for_sockets()
    body = HEAD + b"Content-Length: 100000\r\n\r\n{"
    async with target(table) as server:
        await crowd(server, f"{CONNECTIONS} connections to the endpoint that send nothing", server.endpoint, b"")
        await crowd(server, f"{CONNECTIONS} with a header that drips", server.endpoint, HEAD + b"X-Drop: ", b"x")
        await crowd(server, f"{CONNECTIONS} with a body that drips", server.endpoint, body, b" ")
        await crowd(server, f"{CONNECTIONS} to the gateway that send nothing", server.gateway, b"")
        await crowd(server, f"{CONNECTIONS} to the health port that send nothing", server.health, b"")
        await nonsense(server)


def attack(table: AttackTable) -> None:
    """Make them all."""
    asyncio.run(_attack(table))
