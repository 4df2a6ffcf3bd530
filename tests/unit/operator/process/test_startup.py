"""What is waited for at start."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from mcptasks.kube.api_client import KubeClient
from mcptasks_operator.process.startup import UnreachableError, wait_for_api_server, wait_for_crds

pytestmark = pytest.mark.anyio


def client(url: str) -> KubeClient:
    configuration = Configuration()
    configuration.host = url
    return KubeClient(configuration)


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return f"http://127.0.0.1:{sock.getsockname()[1]}"


async def test_an_api_server_that_does_not_come_is_given_up_with_its_address(caplog: pytest.LogCaptureFixture) -> None:
    url = closed_port()
    async with client(url) as kube:
        with pytest.raises(UnreachableError, match=rf"cannot reach the API server at {url}.*gave up after 0 s"):
            await wait_for_api_server(kube, reach=0.2, pause=0.05)
    assert any("trying again" in message for message in caplog.messages)


async def serve(handler: web.Application) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(handler, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    return runner, f"http://{host}:{port}"


async def test_credentials_that_are_not_accepted_are_not_tried_again() -> None:
    async def refuse(_request: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "message": "Unauthorized", "code": 401}, status=401)

    application = web.Application()
    application.router.add_get("/version", refuse)
    runner, url = await serve(application)
    try:
        async with client(url) as kube:
            with pytest.raises(UnreachableError, match="does not accept the credentials"):
                await wait_for_api_server(kube)
    finally:
        await runner.cleanup()


async def test_crds_are_waited_for_and_told_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    served: list[str] = []
    polls = asyncio.Semaphore(0)

    async def group(_request: web.Request) -> web.Response:
        polls.release()
        return web.json_response({"kind": "APIResourceList", "resources": [{"name": name} for name in served]})

    application = web.Application()
    application.router.add_get("/apis/mcptasks.dev/v1alpha1", group)
    runner, url = await serve(application)
    try:
        async with client(url) as kube, asyncio.timeout(5):
            waiting = asyncio.create_task(wait_for_crds(kube, pause=0.01))
            for _ in range(6):
                await polls.acquire()
            served.append("mcptasks")
            assert not waiting.done()
            served.append("mcptasktemplates")
            await waiting
    finally:
        await runner.cleanup()
    told = [message for message in caplog.messages if "missing CRDs" in message]
    assert len(told) == 1
    assert "kubectl apply -f crds/" in told[0]
