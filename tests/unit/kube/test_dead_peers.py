"""Connections to the API server notice when their other end is gone, and are bounded in number."""

from __future__ import annotations

import asyncio
import socket
import sys

import aiohttp
import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from mcptasks.kube.connection import MAX_CONNECTIONS, ApiConnection

pytestmark = pytest.mark.anyio


async def silent(request: web.Request) -> web.StreamResponse:
    """A watch in which nothing happens."""
    response = web.StreamResponse()
    await response.prepare(request)
    await asyncio.Event().wait()
    return response


@pytest.mark.skipif(sys.platform != "linux", reason="the options are Linux's")
async def test_an_end_that_is_gone_without_a_word_is_noticed_within_half_a_minute() -> None:
    application = web.Application()
    application.add_routes([web.get("/version", silent)])
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    connection = ApiConnection(Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}"), "test")
    connection.open()
    try:
        timeout = aiohttp.ClientTimeout(total=20)
        async with connection.stream("GET", "/version", timeout=timeout) as response:
            assert response.connection is not None
            transport = response.connection.transport
            assert transport is not None
            sock = transport.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            probing = [getattr(socket, f"TCP_{name}") for name in ("KEEPIDLE", "KEEPINTVL", "KEEPCNT")]
            idle, every, count = (sock.getsockopt(socket.IPPROTO_TCP, option) for option in probing)
            assert idle + every * count <= 30
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
    finally:
        await connection.aclose()
        await runner.cleanup()


async def test_the_number_of_connections_is_bounded() -> None:
    connection = ApiConnection(Configuration(host="http://127.0.0.1:1"), "test")
    connection.open()
    session = await connection.authenticated_session()
    assert session.connector is not None
    assert session.connector.limit == MAX_CONNECTIONS
    await session.close()
    await connection.aclose()
