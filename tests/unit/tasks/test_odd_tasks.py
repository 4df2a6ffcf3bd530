"""Whatever is in one task: the watch goes on, the other tasks are shown, and its own deletion is a deletion."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from mcptasks.kube.api_client import KubeClient, ObjectList, WatchEvent
from mcptasks.kube.errors import GoneError, InvalidError, NotFoundError
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.task_objects import TaskClient, parse_task
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.metrics.instruments import Instruments
from mcptasks.metrics.task_metrics import TaskMetrics
from mcptasks.model.base import JsonObject
from mcptasks.server.result_cleanup import ResultCleanup
from mcptasks.settings import Settings
from mcptasks.stores.results import Results
from mcptasks.tasks.cached_tasks import amounts_of, cached, group_of
from mcptasks.tasks.task_list import TaskList
from mcptasks.tasks.views import TaskViews
from mcptasks.tasks.waiting_calls import WaitingCalls
from tests.support.odd_objects import ODD_SPECS, ODD_STATUSES, ODD_TASKS, with_parts
from tests.unit.tasks.objects import NAMESPACE, task_object

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 1, 1, tzinfo=UTC)
each_odd_task = pytest.mark.parametrize("parts", ODD_TASKS.values(), ids=ODD_TASKS.keys())


@dataclass
class OddlyFilledServer:
    """An API server with one odd task and an ordinary one, and a server's real cache over it."""

    listed: list[JsonObject]
    version: int = 10
    tells: asyncio.Queue[WatchEvent | Exception] = field(default_factory=asyncio.Queue)
    lists: int = 0

    async def list(self, *_: Any, **__: Any) -> ObjectList:
        self.lists += 1
        return ObjectList(self.listed, str(self.version))

    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[WatchEvent]:
        while True:
            event = await self.tells.get()
            if isinstance(event, Exception):
                raise event
            yield event

    async def get(self, _resource: object, name: str, *_: Any) -> JsonObject:
        raise NotFoundError(404, "NotFound", "gone", {"name": name})

    async def patch(self, *_: Any, **__: Any) -> JsonObject:
        return self.listed[0]


@asynccontextmanager
async def watching(cluster: OddlyFilledServer) -> AsyncIterator[WatchCache]:
    kube = cast(KubeClient, cluster)
    async with Results.from_settings(Settings()) as results:
        cleanup = ResultCleanup(results, TaskClient(kube))
        cache = WatchCache(
            kube, MCP_TASKS, NAMESPACE, on_deleted=cleanup, trim=cached, group=group_of, amounts=amounts_of
        )
        running = asyncio.create_task(cache.run())
        await cache.synced.wait()
        try:
            yield cache
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await cleanup.done()


def odd(parts: dict[str, JsonObject], version: int) -> JsonObject:
    return with_parts(task_object("odd", version=version), parts)


async def seen(cluster: OddlyFilledServer, cache: WatchCache, version: int) -> None:
    """Wait until the watch has brought an ordinary change."""
    item = task_object("plain", version=version)
    cluster.tells.put_nowait(WatchEvent("MODIFIED", item))
    await cache.echoed(item, 3600)


def names(cache: WatchCache) -> set[str]:
    return {item["metadata"]["name"] for item in cache.values()}


@each_odd_task
async def test_the_watch_goes_on(parts: dict[str, JsonObject]) -> None:
    cluster = OddlyFilledServer([odd(parts, 1), task_object("plain", version=2)])
    async with watching(cluster) as cache:
        assert names(cache) == {"odd", "plain"}
        cluster.tells.put_nowait(WatchEvent("MODIFIED", odd(parts, 11)))
        cluster.tells.put_nowait(WatchEvent("DELETED", odd(parts, 12)))
        await seen(cluster, cache, 13)
        assert names(cache) == {"plain"}
        cluster.tells.put_nowait(WatchEvent("ADDED", odd(parts, 14)))
        await seen(cluster, cache, 15)
        cluster.listed, cluster.version = [task_object("plain", version=15)], 16
        cluster.tells.put_nowait(GoneError(410, "Expired", "too old"))
        await seen(cluster, cache, 17)
        assert names(cache) == {"plain"}
        assert (cluster.lists, cache.unreachable_seconds) == (2, 0)


@each_odd_task
async def test_the_others_are_listed_and_found(parts: dict[str, JsonObject]) -> None:
    plain = task_object("plain", version=2)
    plain["metadata"]["labels"] = {"mcptasks.dev/call": "the-call"}
    async with watching(OddlyFilledServer([odd(parts, 1), plain])) as cache:
        views = TaskViews(Settings(), lambda: NOW + timedelta(days=1))
        listed = [view.task_id for view in TaskList("default", cache, views).page(None).tasks]
        assert set(listed) - {"odd"} == {"plain"}
        assert await WaitingCalls("default", cache).task_of("the-call", looks=1) == "plain"


@pytest.mark.parametrize("spec", ODD_SPECS.values(), ids=ODD_SPECS.keys())
def test_what_is_free_to_be_anything_does_not_keep_a_task_from_being_read(spec: JsonObject) -> None:
    assert parse_task(with_parts(task_object(), {"spec": spec})).name == "a"


@pytest.mark.parametrize("status", ODD_STATUSES.values(), ids=ODD_STATUSES.keys())
def test_a_status_that_cannot_be_read_is_said_to_be_invalid(status: JsonObject) -> None:
    with suppress(InvalidError):
        parse_task(task_object(status=status))


@each_odd_task
async def test_what_was_written_is_written_whatever_those_make_of_it_who_count(parts: dict[str, JsonObject]) -> None:
    status = {"phase": "completed", "startedAt": "2026-01-01T00:00:00Z", **parts.get("status", {})}
    written = with_parts(odd(parts, 2), {"status": status})
    client = TaskClient(cast(KubeClient, OddlyFilledServer([written])), observer=TaskMetrics(Instruments()))
    patch = {"status": {"phase": "completed", "startedAt": "2026-01-01T00:00:00Z"}}
    assert await client.update_status(task_object("odd"), lambda _task: patch) == written
