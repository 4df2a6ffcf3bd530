"""What leads to another server gets nothing, neither from the client nor from those who borrow its session."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration

from mcptasks.kube.connection import ApiConnection
from mcptasks.kube.errors import KubeError

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_an_error_and_nothing_arrives_there(status: int) -> None:
    received: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        received.append(str(request.headers))
        return web.json_response({})

    async def redirect(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": str(other.make_url("/api"))})

    there, here = web.Application(), web.Application()
    there.router.add_route("*", "/{path:.*}", elsewhere)
    here.router.add_route("*", "/{path:.*}", redirect)
    async with TestServer(there) as other, TestServer(here) as first:
        connection = ApiConnection(Configuration(host=str(first.make_url("")).rstrip("/")), "test")
        connection.open()
        try:
            with pytest.raises(KubeError):
                await connection.json("GET", "/api")
            async with await connection.authenticated_session() as session:
                with pytest.raises(aiohttp.ClientConnectionError, match="redirects to"):
                    await session.get(str(first.make_url("/api")))
        finally:
            await connection.aclose()
    assert received == []
