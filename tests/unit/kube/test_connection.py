"""The connection to an API server: what it sends goes to that server alone."""

from __future__ import annotations

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from mcptasks.kube.connection import ApiConnection
from mcptasks.kube.errors import KubeError

pytestmark = pytest.mark.anyio


async def test_an_object_does_not_follow_a_redirect() -> None:
    bodies: list[bytes] = []

    async def elsewhere(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.json_response({})

    async def redirect(_: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect("/elsewhere")

    app = web.Application()
    app.router.add_post("/elsewhere", elsewhere)
    app.router.add_post("/api", redirect)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    connection = ApiConnection(Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}"), "test")
    connection.open()
    try:
        with pytest.raises(KubeError, match="307"):
            await connection.json("POST", "/api", body={"spec": "secret"})
    finally:
        await connection.aclose()
        await runner.cleanup()
    assert bodies == []
