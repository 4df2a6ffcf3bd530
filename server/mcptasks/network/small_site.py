"""A port for small answers that come at once, as health and metrics are. It answers whatever is done to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from mcptasks.network.connection_table import ConnectionTable

MAX_CONNECTIONS = 32
CONNECTION_SECONDS = 300.0
"""The whole life of a connection: whoever needs more makes another one."""


@asynccontextmanager
async def small_site(application: web.Application, host: str, port: int, name: str) -> AsyncIterator[int]:
    """Serve the application; gives the port, which matters where 0 was asked for. Raises OSError.

    A new connection always gets in: there are `MAX_CONNECTIONS`, and the oldest one makes room.
    """
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    table = ConnectionTable(name, MAX_CONNECTIONS)
    try:
        handlers = runner.server
        if handlers is None:
            raise RuntimeError("the application has not been set up")
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _ShortConnection(handlers(), table), host, port, reuse_address=True)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
    finally:
        await runner.cleanup()


class _ShortConnection(asyncio.Protocol):
    """Passes everything on to the protocol of aiohttp, until it has to give way or its time is over."""

    def __init__(self, handler: asyncio.Protocol, table: ConnectionTable) -> None:
        self._handler = handler
        self._table = table
        self._transport: asyncio.Transport | None = None
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a stream has a transport of streams")
        self._transport = transport
        self._end = asyncio.get_running_loop().call_later(CONNECTION_SECONDS, self.give_way)
        self._handler.connection_made(transport)
        self._table.admit(self)

    def give_way(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if self._end is not None:
            self._end.cancel()
        self._table.discard(self)
        self._handler.connection_lost(error)

    def data_received(self, data: bytes) -> None:
        self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        return self._handler.eof_received()

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()
