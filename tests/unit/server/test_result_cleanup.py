"""What is stored for a task goes with the task, and never before it is certain that the task has gone."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import NotFoundError, UnavailableError
from mcptasks.kube.task_objects import TaskClient
from mcptasks.model.base import JsonObject
from mcptasks.server.result_cleanup import ResultCleanup
from mcptasks.settings import Settings
from mcptasks.stores.results import Results
from mcptasks.tasks.cached_tasks import cached
from tests.support.redis import RedisServer
from tests.unit.tasks.objects import NAMESPACE, task_object

pytestmark = pytest.mark.anyio

TEXT = '{"content":[]}' + " " * 5000
UID = "uid-1"
GONE = NotFoundError(404, "NotFound", "not found", {"name": "a"})


@dataclass
class WatchedApi:
    """Answers each read with the same object or error."""

    answer: JsonObject | Exception

    async def get(self, *_: Any, **__: Any) -> JsonObject:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
async def results(redis_process: RedisServer, redis: Redis) -> AsyncIterator[Results]:
    async with Results.from_settings(Settings(redis_url=redis_process.url, inline_result_bytes=100)) as results:
        yield results


def ended(ref: str | None, uid: str = UID, **spec: Any) -> JsonObject:
    item = task_object(status={"phase": "completed", "result": {"ref": ref}}, **spec)
    item["metadata"]["uid"] = uid
    return item


async def stored(results: Results, namespace: str = NAMESPACE, uid: str = UID) -> str:
    record = await results.put(namespace, uid, 1, TEXT, timedelta(hours=1))
    assert record.ref is not None
    return record.ref


async def clean(results: Results, item: JsonObject, answer: JsonObject | Exception) -> None:
    cleanup = ResultCleanup(results, TaskClient(cast(KubeClient, WatchedApi(answer))))
    cleanup(item)
    await cleanup.done()


async def test_a_long_log_goes_with_its_task_as_a_watch_keeps_it(results: Results, redis: Redis) -> None:
    text = "".join(f"{number:05} {random.Random(number).getrandbits(800):x}\n" for number in range(1000))
    log = await results.logs.keep(NAMESPACE, UID, 1, text, timedelta(hours=1))
    assert log is not None
    item = ended(None)
    item["status"] = {"phase": "cancelled", "log": log.dump()}
    assert len(await redis.keys()) == 1
    await clean(results, cached(item), GONE)
    assert await redis.keys() == []


async def test_what_is_stored_for_a_deleted_task_goes(results: Results, redis: Redis) -> None:
    await clean(results, ended(await stored(results)), GONE)
    assert await redis.keys() == []


@pytest.mark.parametrize("spec", [{"arguments": [1]}, {"request": {"meta": [1]}}, {"principal": {"claims": "x"}}])
async def test_it_goes_whatever_else_is_in_the_task(results: Results, redis: Redis, spec: JsonObject) -> None:
    await clean(results, ended(await stored(results), **spec), GONE)
    assert await redis.keys() == []


async def test_it_goes_when_another_task_has_the_name(results: Results, redis: Redis) -> None:
    await clean(results, ended(await stored(results)), ended(None, uid="uid-2"))
    assert await redis.keys() == []


@pytest.mark.parametrize(
    "answer",
    [
        ended(None),
        UnavailableError(0, "Unavailable", "cannot reach it"),
        NotFoundError(404, "NotFound", "the server could not find the requested resource"),
    ],
    ids=["it exists", "nobody knows", "its kind is not served"],
)
async def test_it_stays_where_the_task_may_exist(
    results: Results, redis: Redis, answer: JsonObject | Exception
) -> None:
    ref = await stored(results)
    await clean(results, ended(ref), answer)
    assert await redis.keys() == [ref.encode()]


@pytest.mark.parametrize(("namespace", "uid"), [("other", UID), (NAMESPACE, "uid-2")])
async def test_what_is_stored_for_another_task_stays(results: Results, redis: Redis, namespace: str, uid: str) -> None:
    ref = await stored(results, namespace, uid)
    await clean(results, ended(ref), GONE)
    assert await redis.keys() == [ref.encode()]


async def test_a_server_that_has_no_redis_any_more_stops_as_any_other() -> None:
    async with Results.from_settings(Settings()) as results:
        await clean(results, ended(f"mcptasks:result:{NAMESPACE}:{UID}:1"), GONE)
