"""One server and one Redis, and tasks in a namespace that is not the server's: they run, and stay among themselves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from uuid import uuid4

import anyio
import httpx2
import pytest

from mcptasks.gateway.contract import INPUT_PATH
from mcptasks.gateway.gateway import Gateway
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.routes import gateway_app
from mcptasks.kube.kinds import MCP_TASKS, NAMESPACES
from mcptasks.kube.task_objects import TaskClient
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import LABEL_CALL, JsonObject
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.questions import Answer, answered
from mcptasks.model.task import Component, Phase, Principal
from mcptasks.server.result_cleanup import ResultCleanup
from mcptasks.settings import KIB, Settings
from mcptasks.stores.results import Results
from mcptasks.tasks.cached_tasks import amounts_of, cached, group_of
from mcptasks.tasks.calls import Call
from mcptasks.tasks.service import TaskService
from mcptasks.tasks.service_errors import TaskNotFoundError, TooManyTasksError, UnavailableServiceError
from tests.integration.gateway.harness import GatewayWorld, result
from tests.support.redis import RedisServer, running_redis

pytestmark = pytest.mark.anyio

ALICE = Principal(client_id="web", issuer="https://login.example.com", subject="alice")
LIMIT = 3
TEXT = '{"content":[],"a":"' + "x" * 400_000 + '"}'


@dataclass
class Neighbour:
    """A server in a namespace of its own, whose gateway also serves the Pods of the world's namespace."""

    service: TaskService
    cache: WatchCache
    cleanup: ResultCleanup
    results: Results
    gateway: httpx2.AsyncClient

    async def relist(self) -> None:
        """List again, as each watch does after a while, and finish what follows from it."""
        self.cache.synced.clear()
        watching = asyncio.create_task(self.cache.run())
        with anyio.fail_after(60):
            await self.cache.synced.wait()
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await self.cleanup.done()


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@asynccontextmanager
async def neighbour_of(world: GatewayWorld, settings: Settings) -> AsyncIterator[Neighbour]:
    namespace = f"neighbour-{uuid4().hex[:8]}"
    await world.kube.create(NAMESPACES, {"metadata": {"name": namespace}})
    tasks = TaskClient(world.kube)
    async with Results.from_settings(settings) as results:
        cleanup = ResultCleanup(results, tasks)
        cache = WatchCache(
            world.kube, MCP_TASKS, namespace, on_deleted=cleanup, trim=cached, group=group_of, amounts=amounts_of
        )
        gateway = Gateway(world.kube, tasks, results, settings, on_written=cache.add, cache=cache)
        service = TaskService(settings, namespace, tasks, cache, results)
        transport = httpx2.ASGITransport(gateway_app(gateway))
        async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as http:
            made = Neighbour(service, cache, cleanup, results, http)
            await made.relist()
            yield made
        await gateway.aclose()
    await world.kube.delete(NAMESPACES, namespace)


@pytest.fixture
async def neighbour(world: GatewayWorld, redis: RedisServer) -> AsyncIterator[Neighbour]:
    settings = Settings(
        redis_url=redis.url, inline_result_bytes=64 * KIB, max_tasks_per_caller=LIMIT, module="tools.py"
    )
    async with neighbour_of(world, settings) as neighbour:
        yield neighbour


async def test_a_result_of_another_namespace_outlives_the_lists_of_this_one(
    world: GatewayWorld, neighbour: Neighbour
) -> None:
    task = await world.submit()
    runner = (await world.runner(task)).at(neighbour.gateway)
    assert (await runner.fetch()).status_code == 200
    assert (await runner.deliver(result(TEXT))).status_code == 204
    await neighbour.relist()
    record = (await world.task(task)).status.result
    assert record is not None
    assert record.ref is not None
    assert await neighbour.results.get(record) == TEXT


async def test_a_result_goes_with_its_task(world: GatewayWorld, neighbour: Neighbour) -> None:
    """Of the server's own namespace, and of another one that a server of its own watches."""
    settings = neighbour.service.settings
    task = await world.submit()
    tasks = TaskClient(world.kube)
    cleanup = ResultCleanup(neighbour.results, tasks)
    own = WatchCache(world.kube, MCP_TASKS, world.namespace, on_deleted=cleanup, trim=cached)
    there = Neighbour(
        TaskService(settings, world.namespace, tasks, own, neighbour.results),
        own,
        cleanup,
        neighbour.results,
        neighbour.gateway,
    )
    runner = (await world.runner(task)).at(neighbour.gateway)
    assert (await runner.fetch()).status_code == 200
    assert (await runner.deliver(result(TEXT))).status_code == 204
    view = await there.service.get(task["metadata"]["name"], None)
    await there.relist()
    assert await there.service.result_text(view) == TEXT
    await tasks.delete(world.namespace, task["metadata"]["name"])
    await there.relist()
    with pytest.raises(UnavailableServiceError):
        await there.service.result_text(view)


async def test_a_task_shows_no_result_but_its_own(world: GatewayWorld, neighbour: Neighbour) -> None:
    task = await world.submit()
    runner = (await world.runner(task)).at(neighbour.gateway)
    assert (await runner.fetch()).status_code == 200
    assert (await runner.deliver(result(TEXT))).status_code == 204
    record = (await world.task(task)).status.result
    assert record is not None
    mine = await neighbour.service.create(Call(Component(name="report"), {}))
    status = {"status": {"phase": "completed", "result": record.dump()}}
    namespace = neighbour.service.namespace
    await world.kube.patch(MCP_TASKS, mine.task_id, status, namespace, subresource="status")
    with pytest.raises(UnavailableServiceError):
        await neighbour.service.result_text(await neighbour.service.get(mine.task_id, None))


async def test_tasks_of_another_namespace_are_nobodys_here(world: GatewayWorld, neighbour: Neighbour) -> None:
    service = neighbour.service
    forged = [await world.submit(server="default", principal=ALICE.dump()) for _ in range(LIMIT + 1)]
    for task in forged:
        await world.patch(task, {"metadata": {"labels": {LABEL_CALL: "the-call"}}})
        runner = (await world.runner(task)).at(neighbour.gateway)
        assert (await runner.fetch()).status_code == 200
        await runner.report(1, 2, "read me")
    assert service.list(ALICE).tasks == []
    name = forged[0]["metadata"]["name"]
    for attempt in (
        service.get(name, ALICE),
        service.cancel(name, ALICE),
        service.answer(name, ALICE, lambda _questions: {}),
    ):
        with pytest.raises(TaskNotFoundError):
            await attempt
    assert not await service.may_read(name, ALICE)
    call = Call(Component(name="report"), {}, principal=ALICE)
    mine = [await service.create(call) for _ in range(LIMIT - 1)]
    waiting = await service.create(Call(Component(name="report"), {}, principal=ALICE, call_id="the-call"))
    assert {view.task_id for view in service.list(ALICE).tasks} == {view.task_id for view in (*mine, waiting)}
    with pytest.raises(TooManyTasksError):
        await service.create(call)
    await service.cancel_call("the-call", ALICE, is_known=True)
    assert (await service.get(waiting.task_id, ALICE)).phase is Phase.CANCELLED
    assert (await world.task(forged[0])).phase is Phase.WORKING


class AnsweredMeanwhile(TaskClient):
    """Gives a task as it was a moment ago: its caller has answered since."""

    async def get(self, namespace: str, name: str) -> JsonObject:
        item = await super().get(namespace, name)
        given = {"1-1": Answer(json.dumps({"action": "accept", "content": {}}))}
        await self.update_status(item, lambda task: answered(task, given, utc_now()))
        return item


async def test_a_runner_in_another_namespace_hears_of_its_answer_soon(
    world: GatewayWorld, neighbour: Neighbour
) -> None:
    """Nothing tells the gateway of an answer there, so it looks; it does not wait until the runner asks again."""
    task = await world.submit(inputTimeoutSeconds=600)
    runner = (await world.runner(task)).at(neighbour.gateway)
    assert (await runner.fetch()).status_code == 200
    question = {"key": "1-1", "method": "elicitation/create", "paramsText": "{}"}
    asked = await world.call("POST", INPUT_PATH, runner.token, {"questions": [question]}, neighbour.gateway)
    assert asked.status_code == 200
    tasks = AnsweredMeanwhile(world.kube)
    gateway = Gateway(world.kube, tasks, neighbour.results, neighbour.service.settings, cache=neighbour.cache)
    pod = await gateway.identify(runner.token)
    assert isinstance(pod, TaskPod)
    with anyio.fail_after(60):
        answers = await gateway.answers(pod, 3600)
    assert [answer.key for answer in answers.answers] == ["1-1"]
    await gateway.aclose()
