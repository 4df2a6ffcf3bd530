"""How old the task may be that a reader gives, what it costs, and who may see it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias, cast

import pytest

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import UnavailableError
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.task_objects import StoredTask, TaskClient
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Phase, Principal
from mcptasks.settings import Settings
from mcptasks.tasks.cached_tasks import CACHED_RESULT_CHARACTERS, cached
from mcptasks.tasks.changes import TaskChanges
from mcptasks.tasks.limits import RateLimit, SharedRate
from mcptasks.tasks.reader import TaskReader
from mcptasks.tasks.service_errors import TaskNotFoundError, TooManyUnknownIdsError, UnavailableServiceError
from mcptasks.tasks.views import TaskViews
from tests.support.doubles import MemoryTasks
from tests.unit.tasks.objects import MINE, NAMESPACE, task_object

pytestmark = pytest.mark.anyio

AWAY = UnavailableError(0, "Unavailable", "cannot reach it")
ENDED = {"phase": "completed"}
EXPIRED = ENDED | {"expiresAt": "2001-01-01T00:00:00Z"}

Read: TypeAlias = Callable[[TaskReader], Awaitable[StoredTask]]

READS: dict[str, Read] = {
    "known": lambda reader: reader.known("a", None),
    "recent": lambda reader: reader.recent("a", None),
    "current": lambda reader: reader.current("a", None),
}
each_read = pytest.mark.parametrize("read", READS.values(), ids=READS.keys())


@pytest.fixture
def tasks() -> MemoryTasks:
    return MemoryTasks()


@pytest.fixture
def cache() -> WatchCache:
    return WatchCache(cast(KubeClient, None), MCP_TASKS, NAMESPACE, trim=cached)


@pytest.fixture
def reader(tasks: MemoryTasks, cache: WatchCache) -> TaskReader:
    return TaskReader("default", NAMESPACE, cast(TaskClient, tasks), cache, RateLimit(0))


@each_read
async def test_a_task_that_the_cache_does_not_have_is_read_once(
    tasks: MemoryTasks, reader: TaskReader, read: Read
) -> None:
    tasks.items["a"] = task_object()
    assert (await read(reader)).task.name == "a"
    assert tasks.reads == 1


@pytest.mark.parametrize(
    ("name", "phase", "reads"),
    [("known", Phase.WORKING, 0), ("recent", Phase.COMPLETED, 1), ("current", Phase.COMPLETED, 1)],
)
async def test_of_a_task_whose_end_the_cache_has_not_heard_of(
    tasks: MemoryTasks, cache: WatchCache, reader: TaskReader, name: str, phase: Phase, reads: int
) -> None:
    cache.add(task_object(version=1))
    tasks.items["a"] = task_object(version=2, status=ENDED)
    assert (await READS[name](reader)).task.phase is phase
    assert tasks.reads == reads


@pytest.mark.parametrize(("name", "reads"), [("known", 0), ("recent", 0), ("current", 1)])
async def test_of_a_task_whose_end_the_cache_has(
    tasks: MemoryTasks, cache: WatchCache, reader: TaskReader, name: str, reads: int
) -> None:
    tasks.items["a"] = task_object(status=ENDED)
    cache.add(tasks.items["a"])
    await READS[name](reader)
    assert tasks.reads == reads


async def test_what_the_watch_has_brought_since_counts(
    tasks: MemoryTasks, cache: WatchCache, reader: TaskReader
) -> None:
    cache.add(task_object(version=2, status=ENDED))
    tasks.items["a"] = task_object(version=1)
    assert (await reader.current("a", None)).task.terminal


async def test_where_nobody_answers_recent_gives_what_is_known_and_current_says_so(
    tasks: MemoryTasks, cache: WatchCache, reader: TaskReader
) -> None:
    cache.add(task_object())
    tasks.fail_with = AWAY
    assert (await reader.recent("a", None)).task.phase is Phase.WORKING
    with pytest.raises(UnavailableServiceError):
        await reader.current("a", None)


async def test_recent_reads_no_more_often_than_it_may(tasks: MemoryTasks, cache: WatchCache) -> None:
    reader = TaskReader("default", NAMESPACE, cast(TaskClient, tasks), cache, RateLimit(0.001))
    tasks.items["a"] = task_object()
    cache.add(tasks.items["a"])
    for _ in range(5):
        await reader.recent("a", None)
    assert tasks.reads == 1


async def test_one_caller_leaves_fresh_reads_to_others(tasks: MemoryTasks, cache: WatchCache) -> None:
    reader = TaskReader(
        "default",
        NAMESPACE,
        cast(TaskClient, tasks),
        cache,
        RateLimit(0.001, burst_seconds=4000),
        fresh_reads_of_one=RateLimit(0.001, burst_seconds=2000),
    )
    ann, bob = (Principal(client_id="c", issuer="i", subject=name) for name in ("ann", "bob"))
    assert [reader.may_read_afresh(ann) for _ in range(3)] == [True, True, False]
    assert [reader.may_read_afresh(bob) for _ in range(3)] == [True, True, False]


async def test_callers_without_a_token_have_all_fresh_reads(tasks: MemoryTasks, cache: WatchCache) -> None:
    limits = RateLimit(0.001, burst_seconds=2000), RateLimit(0.001)
    reader = TaskReader("default", NAMESPACE, cast(TaskClient, tasks), cache, limits[0], fresh_reads_of_one=limits[1])
    assert [reader.may_read_afresh(None) for _ in range(3)] == [True, True, False]


async def test_what_is_read_anew_has_its_large_result(
    tasks: MemoryTasks, cache: WatchCache, reader: TaskReader
) -> None:
    text = "x" * (CACHED_RESULT_CHARACTERS + 1)
    tasks.items["a"] = task_object(version=2, status=ENDED | {"result": {"text": text, "sizeBytes": len(text)}})
    cache.add(task_object(version=1))
    result = (await reader.recent("a", None)).task.status.result
    assert result is not None
    assert result.text == text


async def test_a_task_that_took_the_place_of_an_expired_one_is_found(
    tasks: MemoryTasks, cache: WatchCache, reader: TaskReader
) -> None:
    cache.add(task_object(version=1, status=EXPIRED))
    tasks.items["a"] = task_object(version=5)
    assert (await reader.known("a", None)).task.phase is Phase.WORKING


@each_read
@pytest.mark.parametrize(
    "item",
    [
        pytest.param(task_object(status=EXPIRED), id="expired"),
        pytest.param(task_object(server="another"), id="another server's"),
        pytest.param(task_object(principal=MINE), id="another principal's"),
        pytest.param(
            task_object() | {"metadata": task_object()["metadata"] | {"deletionTimestamp": "2000-01-01T00:00:00Z"}},
            id="being deleted",
        ),
    ],
)
async def test_a_task_that_the_caller_may_not_see_is_not_found(
    tasks: MemoryTasks, cache: WatchCache, reader: TaskReader, read: Read, item: JsonObject
) -> None:
    tasks.items["a"] = item
    cache.add(item)
    with pytest.raises(TaskNotFoundError):
        await read(reader)


async def test_its_own_principal_sees_a_task(cache: WatchCache, reader: TaskReader) -> None:
    cache.add(task_object(principal=MINE))
    principal = Principal(client_id="c", issuer="i", subject="s", scopes=["more"])
    assert (await reader.known("a", principal)).task.name == "a"


async def test_what_is_not_a_name_never_reaches_the_api_server(tasks: MemoryTasks, reader: TaskReader) -> None:
    for name in ("../secrets", "", "A"):
        with pytest.raises(TaskNotFoundError):
            await reader.current(name, None)
    assert tasks.reads == 0


STRANGER = Principal(client_id="other", issuer="i", subject="s")
OWNER = Principal(client_id="c", issuer="i", subject="s")
SPARING: dict[str, Read] = {
    "known": lambda reader: reader.known("x", STRANGER),
    "recent": lambda reader: reader.recent("x", STRANGER),
    "current": lambda reader: reader.current("x", STRANGER),
}


@pytest.fixture
def sparing(reader: TaskReader) -> TaskReader:
    """A reader that looks one unknown id up for each caller."""
    return replace(reader, unknown_ids=SharedRate(RateLimit(1e-9), RateLimit(0)))


@pytest.mark.parametrize("read", SPARING.values(), ids=SPARING.keys())
@pytest.mark.parametrize("is_there", [True, False])
async def test_ids_that_are_none_of_the_callers_are_looked_up_only_so_often(
    tasks: MemoryTasks, cache: WatchCache, sparing: TaskReader, read: Read, is_there: bool
) -> None:
    if is_there:
        cache.add(task_object("x", principal=MINE))
    tasks.items["a"] = task_object("a", principal=MINE)
    with pytest.raises(TaskNotFoundError):
        await read(sparing)
    reads = tasks.reads
    with pytest.raises(TooManyUnknownIdsError, match="ask for ids of your tasks") as refused:
        await read(sparing)
    assert refused.value.data == {"reason": "TooManyUnknownIds", "retryAfterMs": 1000}
    assert tasks.reads == reads
    assert (await sparing.recent("a", OWNER)).task.name == "a", "another caller goes on"


async def test_a_callers_own_tasks_are_read_as_often_as_it_likes(
    tasks: MemoryTasks, cache: WatchCache, sparing: TaskReader
) -> None:
    tasks.items["a"] = task_object("a", principal=MINE)
    cache.add(tasks.items["a"])
    for _ in range(5):
        assert (await sparing.current("a", OWNER)).task.name == "a"


async def test_a_task_of_another_replica_is_found_as_soon_as_the_watch_tells_of_it(
    cache: WatchCache, sparing: TaskReader
) -> None:
    with pytest.raises(TaskNotFoundError):
        await sparing.recent("unknown", OWNER)
    reading = asyncio.ensure_future(sparing.known("a", OWNER))
    await asyncio.sleep(0)
    cache.add(task_object("a", principal=MINE))
    assert (await reading).task.name == "a"


async def test_what_is_no_id_is_not_looked_up(tasks: MemoryTasks, sparing: TaskReader) -> None:
    for _ in range(5):
        with pytest.raises(TaskNotFoundError):
            await sparing.recent("../x", OWNER)
    assert tasks.reads == 0


async def test_a_followed_task_that_is_deleted_is_not_found_however_many_ids_were_asked_for(
    tasks: MemoryTasks, cache: WatchCache, sparing: TaskReader
) -> None:
    tasks.items["a"] = task_object("a", principal=MINE)
    cache.add(tasks.items["a"])
    with pytest.raises(TaskNotFoundError):
        await sparing.recent("unknown", OWNER)
    changes = TaskChanges(sparing, TaskViews(Settings()))
    following = changes.follow("a", OWNER, asyncio.Event())
    assert (await anext(following)).task_id == "a"
    del tasks.items["a"]
    going = {"resourceVersion": "999", "deletionTimestamp": "2026-11-22T12:00:00Z"}
    item = task_object("a", principal=MINE)
    cache.add({**item, "metadata": item["metadata"] | going})
    with pytest.raises(TaskNotFoundError):
        await anext(following)
