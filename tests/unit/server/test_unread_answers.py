"""A client that does not read its answer is cut off; one that reads slowly is not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from mcptasks.network.connection_table import ConnectionTable
from mcptasks.server.bounded_protocol import ClientPatience
from mcptasks.server.http_server import http_server
from mcptasks.server.sockets import listening_socket

pytestmark = pytest.mark.anyio

PIECE = 64 * 1024
PIECES = 200
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
QUICK, SLOW = ClientPatience(unread_seconds=0.5), ClientPatience(unread_seconds=3)
WAIT_SECONDS = 60


async def large(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with 12 MiB, a piece at a time."""
    if scope["type"] != "http":
        for answer in ("lifespan.startup.complete", "lifespan.shutdown.complete"):
            await receive()
            await send({"type": answer})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for left in reversed(range(PIECES)):
        await send({"type": "http.response.body", "body": b"x" * PIECE, "more_body": left > 0})


@asynccontextmanager
async def serving(app: ASGIApp, table: ConnectionTable, patience: ClientPatience = QUICK) -> AsyncIterator[int]:
    sock = listening_socket("127.0.0.1", 0, "the port")
    server = http_server(app, 0, table, patience)
    running = asyncio.create_task(server.serve([sock]))
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while not server.started:  # noqa: ASYNC110 (nothing tells)
                await asyncio.sleep(0.01)
            yield sock.getsockname()[1]
    finally:
        server.should_exit = True
        await running


def asking(port: int) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    connection.sendall(REQUEST)
    return connection


async def test_who_does_not_read_is_cut_off() -> None:
    table = ConnectionTable("endpoint", 100)
    async with serving(large, table) as port:
        with closing(asking(port)) as connection:
            async with asyncio.timeout(WAIT_SECONDS):
                while len(table) == 0:  # noqa: ASYNC110 (nothing tells)
                    await asyncio.sleep(0.01)
                while len(table) > 0:  # noqa: ASYNC110 (nothing tells)
                    await asyncio.sleep(0.05)
            read = 0
            while piece := connection.recv(PIECE):
                read += len(piece)
            assert read < PIECES * PIECE


async def test_who_reads_slowly_gets_all_of_it() -> None:
    async with serving(large, ConnectionTable("endpoint", 100), SLOW) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=PIECE)
        with closing(writer):
            writer.write(REQUEST)
            read = 0
            while read < PIECES * PIECE:
                piece = await reader.read(PIECE)
                assert piece, "it was cut off"
                read += piece.count(b"x")
                await asyncio.sleep(0.02)
