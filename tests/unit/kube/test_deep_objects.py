"""An object that nests deeper than Python's parser goes, in every way in which objects are read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiohttp import web

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import JsonObject

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration

pytestmark = pytest.mark.anyio

DEEP = b"[" * 9000 + b"]" * 9000
"""As much as an API server takes."""


def task(name: str, version: int, arguments: bytes = b"{}") -> bytes:
    metadata = {"namespace": "ns", "name": name, "uid": name, "resourceVersion": str(version)}
    body = json.dumps({"metadata": metadata, "spec": {"component": {"name": "add"}, "arguments": "HERE"}}).encode()
    return body.replace(b'"HERE"', arguments)


async def answer(request: web.Request) -> web.StreamResponse:
    if "watch" in request.query:
        response = web.StreamResponse()
        await response.prepare(request)
        events = [("MODIFIED", task("deep", 3, DEEP)), ("ADDED", task("plain", 4)), ("DELETED", task("deep", 5, DEEP))]
        for kind, item in events:
            await response.write(b'{"type":"%s","object":%s}\n' % (kind.encode(), item))
        await asyncio.sleep(3600)
        return response
    if request.path.endswith("/deep"):
        return web.Response(body=task("deep", 2, DEEP), content_type="application/json")
    items = b",".join((task("deep", 2, DEEP), task("plain", 1)))
    return web.Response(
        body=b'{"metadata":{"resourceVersion":"2"},"items":[%s]}' % items, content_type="application/json"
    )


@pytest.fixture
async def url() -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield "http://{}:{}".format(*runner.addresses[0][:2])
    await runner.cleanup()


@pytest.fixture
async def kube(url: str) -> AsyncIterator[KubeClient]:
    async def auth_settings() -> JsonObject:
        return {}

    configuration = SimpleNamespace(host=url, proxy=None, tls_server_name=None, auth_settings=auth_settings)
    async with KubeClient(cast("Configuration", configuration)) as client:
        yield client


async def test_it_is_read_and_listed(kube: KubeClient) -> None:
    read = await kube.get(MCP_TASKS, "deep", "ns")
    listed = (await kube.list(MCP_TASKS, "ns")).items
    assert [item["metadata"]["name"] for item in (read, *listed)] == ["deep", "deep", "plain"]


async def test_a_cache_hears_of_the_others_and_of_its_end(kube: KubeClient) -> None:
    cache = WatchCache(kube, MCP_TASKS, "ns")
    watching = asyncio.create_task(cache.run())
    async with asyncio.timeout(60), cache.changes("ns", "deep") as changed:
        while not cache.synced.is_set() or cache.get("ns", "deep") is not None:
            changed.clear()
            await changed.wait()
    assert [item["metadata"]["name"] for item in cache.values()] == ["plain"]
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching


async def test_code_that_parses_by_itself_can(kube: KubeClient, url: str) -> None:
    """As kopf does: what is not a watch as a whole, a watch by chunks."""
    async with await kube.authenticated_session() as session:
        async with session.get(f"{url}/list") as response:
            listed: Any = await response.json()
        assert [item["metadata"]["name"] for item in listed["items"]] == ["deep", "plain"]
        async with session.get(f"{url}/list?watch=true") as response:
            chunks = response.content.iter_chunked(2**20)
            events = [json.loads(await anext(chunks)) for _ in range(3)]
    assert [event["type"] for event in events] == ["MODIFIED", "ADDED", "DELETED"]
