"""What is in the cache: what its watch tells of, whatever the objects contain, and a writer's own writes at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from mcptasks.kube.api_client import KubeClient, ObjectList, WatchEvent
from mcptasks.kube.errors import GoneError
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import JsonObject

pytestmark = pytest.mark.anyio

FOR_EVER = 3600.0


def task(version: int, name: str = "a", namespace: str = "ns", uid: str = "1") -> JsonObject:
    return {"metadata": {"namespace": namespace, "name": name, "uid": uid, "resourceVersion": str(version)}}


@dataclass
class WatchedApiServer:
    """Lists what is in `listed`; its watch brings what is put into `events`, an error by raising it."""

    listed: ObjectList = field(default_factory=lambda: ObjectList([task(5)], "5"))
    events: asyncio.Queue[WatchEvent | Exception] = field(default_factory=asyncio.Queue)

    async def list(self, *_: Any, **__: Any) -> ObjectList:
        return self.listed

    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[WatchEvent]:
        while True:
            event = await self.events.get()
            if isinstance(event, Exception):
                raise event
            yield event

    def tell(self, *events: WatchEvent | Exception) -> None:
        for event in events:
            self.events.put_nowait(event)


@pytest.fixture
async def api() -> WatchedApiServer:
    return WatchedApiServer()


@dataclass
class Deleted:
    """Is told of what is not there any more, by name and uid."""

    seen: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, item: JsonObject) -> None:
        self.seen.append((item["metadata"]["name"], item["metadata"]["uid"]))


@pytest.fixture
def deleted() -> Deleted:
    return Deleted()


@asynccontextmanager
async def running(cache: WatchCache) -> AsyncIterator[WatchCache]:
    watching = asyncio.create_task(cache.run())
    await cache.synced.wait()
    try:
        yield cache
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


@pytest.fixture
async def cache(api: WatchedApiServer, deleted: Deleted) -> AsyncIterator[WatchCache]:
    async with running(WatchCache(cast(KubeClient, api), MCP_TASKS, "ns", on_deleted=deleted)) as cache:
        yield cache


async def told(cache: WatchCache, api: WatchedApiServer, version: int) -> None:
    """Wait until the watch has told all up to this version."""
    api.tell(WatchEvent("MODIFIED", task(version, "told")))
    await cache.echoed(task(version, "told"), FOR_EVER)


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


async def test_what_the_watch_does_not_cover_is_not_kept(cache: WatchCache) -> None:
    cache.add(task(7, "b", "other"))
    assert cache.get("other", "b") is None
    assert len(cache) == 1
    assert cache.covers("ns")
    assert not cache.covers("other")


async def test_a_watch_of_all_namespaces_covers_each() -> None:
    cache = WatchCache(cast(KubeClient, None), MCP_TASKS)
    cache.add(task(7, "b", "other"))
    assert cache.get("other", "b") is not None


async def test_a_late_write_does_not_bring_back_what_the_watch_has_seen_go(
    api: WatchedApiServer, cache: WatchCache
) -> None:
    api.tell(WatchEvent("DELETED", task(8)))
    await told(cache, api, 9)
    cache.add(task(7))
    assert cache.get("ns", "a") is None


async def test_a_write_is_there_before_the_watch_brings_it(cache: WatchCache) -> None:
    cache.add(task(7, "new"))
    assert cache.get("ns", "new") is not None


async def test_what_a_later_list_lacks_is_gone(api: WatchedApiServer, cache: WatchCache, deleted: Deleted) -> None:
    api.listed = ObjectList([], "8")
    api.tell(GoneError(410, "Expired", "too old"))
    await told(cache, api, 9)
    assert deleted.seen == [("a", "1")]


async def test_a_task_that_another_one_has_replaced_in_a_gap_is_gone(
    api: WatchedApiServer, cache: WatchCache, deleted: Deleted
) -> None:
    api.listed = ObjectList([task(8, uid="2")], "8")
    api.tell(GoneError(410, "Expired", "too old"))
    await told(cache, api, 9)
    assert deleted.seen == [("a", "1")]
    assert cache.get("ns", "a") == task(8, uid="2")


async def test_an_api_server_that_was_restored_from_a_backup_is_believed(
    api: WatchedApiServer, cache: WatchCache
) -> None:
    await told(cache, api, 90)
    api.listed = ObjectList([task(3), task(4, "b")], "5")
    async with cache.changes("ns", "b") as changed:
        api.tell(GoneError(410, "Expired", "too old"))
        await changed.wait()
    versions = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in cache.values()}
    assert versions == {"a": "3", "b": "4"}


def odd(_item: JsonObject) -> Any:
    raise KeyError("odd")


@pytest.mark.parametrize("function", ["trim", "group", "on_deleted"])
async def test_the_watch_goes_on_whatever_an_object_does_to_those_who_look_at_it(
    api: WatchedApiServer, function: str
) -> None:
    functions: dict[str, Any] = {function: odd}
    async with running(WatchCache(cast(KubeClient, api), MCP_TASKS, "ns", **functions)) as cache:
        api.tell(WatchEvent("MODIFIED", task(6)), WatchEvent("DELETED", task(7)), WatchEvent("ADDED", task(8, "b")))
        await told(cache, api, 9)
        assert [item["metadata"]["name"] for item in cache.values()] == ["b", "told"]
        api.listed = ObjectList([task(8, "b")], "12")
        api.tell(GoneError(410, "Expired", "too old"))
        await told(cache, api, 13)
        assert cache.unreachable_seconds == 0


async def test_a_fault_of_ours_does_not_end_the_watch(api: WatchedApiServer, cache: WatchCache) -> None:
    api.tell(RecursionError("too deep"))
    await told(cache, api, 9)
