"""The connection to an API server: what it sends goes to that server alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from mcptasks.kube.connection import ApiConnection, ServerClock
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


async def test_what_the_api_server_warns_of_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A field of a Pod template that the cluster does not know, for example, is dropped with such a warning."""

    async def make(_: web.Request) -> web.Response:
        return web.json_response({}, headers={"Warning": r'299 - "unknown field \"spec.template.spec.nodeSelektor\""'})

    app = web.Application()
    app.router.add_post("/jobs", make)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    connection = ApiConnection(Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}"), "test")
    connection.open()
    try:
        await connection.json("POST", "/jobs", body={})
    finally:
        await connection.aclose()
        await runner.cleanup()
    assert connection.clock.now() is not None
    told = [record.getMessage() for record in caplog.records if record.name == "mcptasks.kube.connection"]
    assert told == ['the API server warns of POST /jobs: unknown field "spec.template.spec.nodeSelektor"']


async def test_the_date_of_answers_tells_the_api_servers_time() -> None:
    times = iter([5.0, 65.5])
    clock = ServerClock(monotonic=lambda: next(times))
    assert clock.now() is None
    clock.note("Tue, 01 Dec 2026 12:00:00 GMT")
    for odd in (None, "", "yesterday", "Tue, 01 Dec 2026 12:00:00 -0000"):
        clock.note(odd)
    assert clock.now() == datetime(2026, 12, 1, 12, 1, 0, 500_000, tzinfo=UTC)
