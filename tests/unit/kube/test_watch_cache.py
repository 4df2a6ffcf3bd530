"""What a writer may rely on once the watch has brought its own write back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from mcptasks.kube.api_client import KubeClient, ObjectList, WatchEvent
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import JsonObject

pytestmark = pytest.mark.anyio

FOR_EVER = 3600.0


def task(version: int) -> JsonObject:
    return {"metadata": {"namespace": "ns", "name": "a", "resourceVersion": str(version)}}


@dataclass
class WatchedApiServer:
    """Lists one task of version 5; its watch brings what is put into `events`."""

    events: asyncio.Queue[WatchEvent] = field(default_factory=asyncio.Queue)

    async def list(self, *_: Any, **__: Any) -> ObjectList:
        return ObjectList([task(5)], "5")

    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[WatchEvent]:
        while True:
            yield await self.events.get()


@pytest.fixture
async def api() -> WatchedApiServer:
    return WatchedApiServer()


@pytest.fixture
async def cache(api: WatchedApiServer) -> AsyncIterator[WatchCache]:
    cache = WatchCache(cast(KubeClient, api), MCP_TASKS, "ns")
    watching = asyncio.create_task(cache.run())
    await cache.synced.wait()
    yield cache
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching


async def test_a_write_is_not_echoed_before_the_watch_has_brought_it(api: WatchedApiServer, cache: WatchCache) -> None:
    cache.add(task(7))
    waiting = asyncio.create_task(cache.echoed(task(7), FOR_EVER))
    api.events.put_nowait(WatchEvent("MODIFIED", task(6)))
    for _ in range(10):
        await asyncio.sleep(0)
    assert api.events.empty()
    assert not waiting.done()
    api.events.put_nowait(WatchEvent("MODIFIED", task(7)))
    await waiting


@pytest.mark.parametrize("kind", ["MODIFIED", "DELETED"])
async def test_what_comes_after_a_write_echoes_it_too(api: WatchedApiServer, cache: WatchCache, kind: str) -> None:
    cache.add(task(7))
    api.events.put_nowait(WatchEvent(kind, task(9)))
    await cache.echoed(task(7), FOR_EVER)


async def test_what_has_been_listed_is_echoed(cache: WatchCache) -> None:
    await cache.echoed(task(5), FOR_EVER)


async def test_an_echo_that_does_not_come_is_given_up(cache: WatchCache) -> None:
    cache.add(task(7))
    await cache.echoed(task(7), 0.01)


async def test_nothing_is_waited_for_where_nothing_watches() -> None:
    await WatchCache(cast(KubeClient, None), MCP_TASKS, "ns").echoed(task(7), FOR_EVER)
