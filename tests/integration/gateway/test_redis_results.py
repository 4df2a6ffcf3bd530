"""Results that are kept in Redis, and races for them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta

import anyio
import pytest
from redis.asyncio import Redis

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import UnavailableError
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.task_objects import StatusChange, TaskClient
from mcptasks.model.base import JsonObject
from mcptasks.model.task import LogRecord, McpTask, Phase
from mcptasks.settings import MIB, Settings
from mcptasks.stores.results import Results
from tests.integration.gateway.harness import GatewayCaller, GatewayWorld, code, result
from tests.integration.gateway.worker_harness import PlayedWorker, make_worker, replica, warm_task, warm_template
from tests.support.json_texts import text_of
from tests.support.redis import running_redis

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class CancelledMeanwhile(TaskClient):
    """Loses each race: the task is cancelled between its decision and its write."""

    kube: KubeClient
    world: GatewayWorld
    races: list[str] = field(default_factory=list)

    async def update_status(
        self, known: JsonObject, change: StatusChange, *, parsed: McpTask | None = None
    ) -> JsonObject:
        if known["status"].get("podUid") and not self.races:
            self.races.append(known["metadata"]["name"])
            await self.world.cancel(known)
        return await super().update_status(known, change, parsed=parsed)


@dataclass(frozen=True)
class DeletedMeanwhile(TaskClient):
    """Loses the race for the end of a task, once it is told to: the task is deleted before it is written."""

    kube: KubeClient
    races: list[str] = field(default_factory=list)

    async def update_status(
        self, known: JsonObject, change: StatusChange, *, parsed: McpTask | None = None
    ) -> JsonObject:
        if self.races:
            await self.kube.delete(MCP_TASKS, self.races.pop(), known["metadata"]["namespace"])
        return await super().update_status(known, change, parsed=parsed)


@dataclass(frozen=True)
class AnswerLost(TaskClient):
    """The API server takes the first write that ends a task, and its answer never arrives."""

    kube: KubeClient
    lost: list[str] = field(default_factory=list)

    async def update_status(
        self, known: JsonObject, change: StatusChange, *, parsed: McpTask | None = None
    ) -> JsonObject:
        written = await super().update_status(known, change, parsed=parsed)
        if written["status"]["phase"] == "completed" and not self.lost:
            self.lost.append(written["metadata"]["name"])
            raise UnavailableError(0, "Unavailable", "connection reset")
        return written


def printed(attempt: int) -> str:
    """More than a task's status takes."""
    return "".join(f"{attempt}/{number:05} {random.Random(number).getrandbits(800):x}\n" for number in range(2000))


async def run_again(world: GatewayWorld, worker: PlayedWorker, task: JsonObject) -> JsonObject:
    """The second attempt, at once."""
    await worker.told("end")
    await world.patch(task, {"status": {"retryAfter": "2020-01-01T00:00:00Z"}}, "status")
    return await worker.runs(task)


class TestLogs:
    async def test_a_long_log_of_a_worker_is_kept_of_the_last_attempt_alone(self, world: GatewayWorld) -> None:
        template = await warm_template(world)
        worker = await make_worker(world, template)
        with running_redis() as server:
            redis = Redis.from_url(server.url)
            async with replica(world, redis_url=server.url) as at, worker.working(at):
                task = await warm_task(world, retries=1)
                first = await worker.runs(task)
                assert first["maxLogBytes"] == MIB
                crash = {"kind": "process", "exitCode": 1, "logTail": printed(1)}
                assert (await worker.deliver(first, crash)).status_code == 204
                kept = await world.until(task, lambda found: found.status.log is not None)
                uid = task["metadata"]["uid"]
                assert await redis.keys() == [f"mcptasks:log:{world.namespace}:{uid}:1".encode()]
                second = await run_again(world, worker, task)
                assert (await worker.deliver(second, result("{}", logTail=printed(2)))).status_code == 204
                done = await world.task(task)
                assert await redis.keys() == [f"mcptasks:log:{world.namespace}:{uid}:2".encode()]
            await redis.aclose()
            assert kept.status.log is not None
            assert done.status.log is not None
            async with Results.from_settings(Settings(redis_url=server.url)) as results:
                assert (await results.logs.read(done.status.log, world.namespace, uid)).text == printed(2)

    async def test_a_long_log_of_a_task_that_is_deleted_meanwhile_is_discarded(self, world: GatewayWorld) -> None:
        template = await warm_template(world)
        worker, tasks = await make_worker(world, template), DeletedMeanwhile(world.kube)
        with running_redis() as server:
            async with replica(world, client=tasks, redis_url=server.url) as at, worker.working(at):
                task = await warm_task(world)
                order = await worker.runs(task)
                tasks.races.append(task["metadata"]["name"])
                gone = await worker.deliver(order, result("{}", logTail=printed(1)))
                assert code(gone) == (410, "TaskGone")
                assert tasks.races == []
            redis = Redis.from_url(server.url)
            assert await redis.keys() == []
            # It was kept, and then removed.
            assert (await redis.info("commandstats"))["cmdstat_set"]["calls"] == 1
            await redis.aclose()

    async def test_a_short_log_takes_the_place_of_a_long_one(self, world: GatewayWorld) -> None:
        template = await warm_template(world)
        worker = await make_worker(world, template)
        async with replica(world) as at, worker.working(at):
            task = await warm_task(world, retries=1)
            first = await worker.runs(task)
            crash = {"kind": "process", "exitCode": 1, "logTail": printed(1)}
            assert (await worker.deliver(first, crash)).status_code == 204
            second = await run_again(world, worker, task)
            assert (await worker.deliver(second, result("{}", logTail="bye\n"))).status_code == 204
        assert (await world.task(task)).status.log == LogRecord(text="bye\n", attempt=2)


class TestRedis:
    async def test_a_payload_is_kept_where_nobody_knows_whether_the_task_ended(self, world: GatewayWorld) -> None:
        with running_redis() as server:
            settings = Settings(redis_url=server.url)
            tasks = AnswerLost(world.kube)
            async with world.gateway(settings, tasks) as http, Results.from_settings(settings) as results:
                task = await world.submit()
                runner = (await world.claimed(task)).at(http)
                text = text_of(MIB)
                assert code(await runner.deliver(result(text))) == (503, "Unavailable")
                assert tasks.lost
                assert (await runner.deliver(result(text))).status_code == 204
                record = (await world.task(task)).status.result
                assert record is not None
                assert await results.get(record) == text

    async def test_the_same_large_result_at_two_replicas_at_once_is_kept(self, world: GatewayWorld) -> None:
        with running_redis() as server:
            settings = Settings(redis_url=server.url)
            text = text_of(MIB)
            answers: list[int] = []

            async def deliver(runner: GatewayCaller) -> None:
                answers.append((await runner.deliver(result(text))).status_code)

            async with (
                world.gateway(settings) as one,
                world.gateway(settings) as two,
                Results.from_settings(settings) as results,
            ):
                task = await world.submit()
                runner = await world.claimed(task)
                async with anyio.create_task_group() as group:
                    for http in [one, two]:
                        group.start_soon(deliver, runner.at(http))
                assert answers == [204] * 2
                record = (await world.task(task)).status.result
                assert record is not None
                assert await results.get(record) == text

    async def test_a_large_result_is_stored_before_the_task_ends(self, world: GatewayWorld) -> None:
        with running_redis() as server:
            settings = Settings(redis_url=server.url)
            async with world.gateway(settings) as http, Results.from_settings(settings) as results:
                task = await world.submit()
                runner = (await world.runner(task)).at(http)
                assert (await runner.fetch()).json()["maxResultBytes"] == 64 * MIB
                text = text_of(2 * MIB)
                assert (await runner.deliver(result(text))).status_code == 204
                record = (await world.task(task)).status.result
                assert record is not None
                assert record.ref == f"mcptasks:result:{world.namespace}:{task['metadata']['uid']}:1"
                assert record.text is None
                assert await results.get(record) == text
                assert (await runner.deliver(result(text))).status_code == 204
                assert await results.get(record) == text

    async def test_a_payload_whose_task_was_cancelled_meanwhile_is_removed(self, world: GatewayWorld) -> None:
        with running_redis() as server:
            settings = Settings(redis_url=server.url)
            tasks = CancelledMeanwhile(world.kube, world)
            async with world.gateway(settings, tasks) as http:
                task = await world.submit()
                runner = (await world.claimed(task)).at(http)
                assert code(await runner.deliver(result(text_of(MIB)))) == (410, "TaskEnded")
            assert tasks.races
            assert (await world.task(task)).phase is Phase.CANCELLED
            redis = Redis.from_url(server.url)
            assert await redis.dbsize() == 0
            await redis.aclose()

    async def test_a_superseded_pod_does_not_touch_the_newer_ones_payload(self, world: GatewayWorld) -> None:
        with running_redis() as server:
            settings = Settings(redis_url=server.url)
            async with world.gateway(settings) as http, Results.from_settings(settings) as results:
                task = await world.submit(retries=1)
                earlier = (await world.claimed(task)).at(http)
                await world.finish_pod(earlier.pod)
                await world.claimed(task)
                uid = task["metadata"]["uid"]
                newer = await results.put(world.namespace, uid, 2, text_of(2 * MIB), timedelta(hours=1))
                assert code(await earlier.deliver(result(text_of(MIB)))) == (409, "Superseded")
                assert await results.get(newer) == text_of(2 * MIB)

    async def test_a_redis_that_is_away_delays_the_outcome(self, world: GatewayWorld) -> None:
        with running_redis() as server:
            async with world.gateway(Settings(redis_url=server.url)) as http:
                task = await world.submit()
                runner = (await world.claimed(task)).at(http)
                server.stop()
                answer = await runner.deliver(result(text_of(MIB)))
                assert code(answer) == (503, "Unavailable")
                assert "Redis" in answer.text
                assert (await world.task(task)).phase is Phase.WORKING
                server.start()
                assert (await runner.deliver(result(text_of(MIB)))).status_code == 204
                assert (await world.task(task)).phase is Phase.COMPLETED
