"""Progress and outcomes, and what may come between."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import anyio
import httpx2
import pytest
from redis.asyncio import Redis

from mcptasks.gateway.contract import OUTCOME_PATH, ResultOutcome
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import UnavailableError
from mcptasks.kube.task_objects import StatusChange, TaskClient
from mcptasks.model.base import JsonObject
from mcptasks.model.task import McpTask, Phase
from mcptasks.runner.gateway_client import GatewayClient, RetryPace
from mcptasks.runner.outcome_encoding import encoded
from mcptasks.settings import KIB, MIB, Settings
from mcptasks.tasks.results import Results
from tests.integration.gateway.harness import GatewayCaller, GatewayWorld, code, result
from tests.support.redis import running_redis

pytestmark = pytest.mark.anyio


def text_of(size: int) -> str:
    return '{"a":"' + "x" * (size - 8) + '"}'


class TestProgress:
    async def test_progress_is_shown_in_numbers_and_for_people(self, world: GatewayWorld) -> None:
        task = await world.submit()
        runner = await world.claimed(task)
        before = await world.task(task)
        assert (await runner.report(9, 20, "parsing")).status_code == 204
        status = (await world.task(task)).status
        assert status.progress is not None
        assert status.progress.dump() == {"current": 9, "total": 20, "message": "parsing", "display": "45% (9/20)"}
        assert status.message == "parsing"
        assert status.last_updated_at is not None
        assert before.status.last_updated_at is not None
        assert status.last_updated_at > before.status.last_updated_at

    async def test_the_same_progress_again_changes_nothing(self, world: GatewayWorld) -> None:
        task = await world.submit()
        runner = await world.claimed(task)
        await runner.report(1, 2)
        before = await world.task(task)
        async with world.gateway() as another_replica:
            await runner.at(another_replica).report(1, 2)
        assert await world.task(task) == before

    async def test_a_runner_that_reports_too_often_gets_one_write_an_interval(self, world: GatewayWorld) -> None:
        task = await world.submit()
        runner = await world.claimed(task)
        async with world.gateway(Settings(progress_interval_seconds=0.3)) as http:
            written = len(world.written)
            for number in range(50):
                assert (await runner.at(http).report(number)).status_code == 204
            await world.until(task, lambda known: known.status.progress.current == 49)  # type: ignore[union-attr]
            assert len(world.written) - written <= 4

    async def test_the_last_progress_is_written_with_the_outcome(self, world: GatewayWorld) -> None:
        task = await world.submit()
        runner = await world.claimed(task)
        await runner.report(1, 20)
        await runner.report(20, 20, "done")
        written = len(world.written)
        assert (await runner.deliver(result())).status_code == 204
        assert len(world.written) == written + 1
        status = (await world.task(task)).status
        assert status.progress is not None
        assert (status.progress.display, status.message) == ("100% (20/20)", "The task completed")

    async def test_a_runner_whose_reports_always_wait_still_hears_that_the_task_is_over(
        self, world: GatewayWorld
    ) -> None:
        task = await world.submit()
        runner = await world.claimed(task)
        async with world.gateway(Settings(progress_interval_seconds=0.1)) as http:
            await runner.at(http).report(0)
            await world.cancel(task)
            await runner.at(http).report(1)
            with anyio.fail_after(60):
                while (answer := await runner.at(http).report(2)).status_code == 204:  # noqa: ASYNC110 (nothing tells)
                    await anyio.sleep(0.02)
        assert code(answer) == (410, "TaskEnded")

    async def test_progress_of_a_cancelled_task_changes_nothing(self, world: GatewayWorld) -> None:
        task = await world.submit()
        runner = await world.claimed(task)
        await world.cancel(task)
        before = await world.task(task)
        assert code(await runner.report(1)) == (410, "TaskEnded")
        assert await world.task(task) == before


class TestOutcomes:
    async def test_a_result_completes_the_task(self, world: GatewayWorld) -> None:
        task = await world.submit(ttlMs=600_000)
        runner = await world.claimed(task)
        text = '{"content":[],"structuredContent":{"n":1.0,"s":"é"}}'
        assert (await runner.deliver(result(text))).status_code == 204
        known = await world.task(task)
        status = known.status
        assert (known.phase, status.reason) == (Phase.COMPLETED, "Completed")
        assert status.result is not None
        assert (status.result.text, status.result.size_bytes) == (text, len(text.encode()))
        assert status.result.sha256 == hashlib.sha256(text.encode()).hexdigest()
        assert known.metadata.creation_timestamp is not None
        assert status.expires_at == known.metadata.creation_timestamp + timedelta(minutes=10)
        succeeded = status.condition("Succeeded")
        assert succeeded is not None
        assert succeeded.status == "True"
        assert world.written[-1]["status"]["phase"] == "completed"

    @pytest.mark.parametrize(
        ("outcome", "reason", "message"),
        [
            (result(isError=True, message="disk full"), "ToolError", "disk full"),
            (
                {"kind": "error", "code": -32602, "message": "no such city", "dataText": "[1]"},
                "RequestError",
                "no such city",
            ),
            (
                {"kind": "failure", "reason": "ModuleNotLoadable", "message": "no module"},
                "ModuleNotLoadable",
                "no module",
            ),
            (result(text_of(MIB + 1)), "ResultTooLarge", "the result is 1048577 bytes, the limit is 1048576 bytes"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_every_other_outcome_fails_it_with_its_reason(
        self, world: GatewayWorld, outcome: JsonObject, reason: str, message: str
    ) -> None:
        task = await world.submit()
        runner = await world.claimed(task)
        assert (await runner.deliver(outcome)).status_code == 204
        known = await world.task(task)
        assert (known.phase, known.status.reason) == (Phase.FAILED, reason)
        assert message in (known.status.message or "")
        assert (known.status.result is not None) is (reason == "ToolError")
        assert (known.status.error is not None) is (reason == "RequestError")
        assert (await runner.deliver(outcome)).status_code == 204
        assert await world.task(task) == known

    async def test_delivering_again_is_harmless_also_at_another_replica(self, world: GatewayWorld) -> None:
        task = await world.submit()
        runner = await world.claimed(task)
        await runner.deliver(result())
        before = await world.task(task)
        async with world.gateway() as another_replica:
            assert (await runner.at(another_replica).deliver(result())).status_code == 204
        assert await world.task(task) == before

    async def test_another_outcome_of_the_same_pod_comes_too_late(self, world: GatewayWorld) -> None:
        task = await world.submit()
        runner = await world.claimed(task)
        await runner.deliver(result())
        assert code(await runner.deliver(result('{"another":1}'))) == (410, "TaskEnded")
        assert code(await runner.deliver({"kind": "error", "code": 1, "message": ""})) == (410, "TaskEnded")

    @pytest.mark.parametrize("how", ["tasks/cancel", "spec.cancel"])
    async def test_a_cancelled_task_takes_no_outcome(self, world: GatewayWorld, how: str) -> None:
        task = await world.submit()
        runner = await world.claimed(task)
        await (world.cancel(task) if how == "tasks/cancel" else world.patch(task, {"spec": {"cancel": True}}))
        before = await world.task(task)
        for _ in range(2):
            assert code(await runner.deliver(result())) == (410, "TaskEnded")
        assert await world.task(task) == before

    async def test_of_many_races_with_cancel_one_side_wins_each(self, world: GatewayWorld) -> None:
        for number in range(50):
            task = await world.submit()
            runner = await world.claimed(task)
            answers: list[httpx2.Response] = []
            async with anyio.create_task_group() as group:
                group.start_soon(self._deliver, runner, answers)
                await anyio.sleep(number % 10 / 1000)
                group.start_soon(world.cancel, task)
            known = await world.task(task)
            delivered = answers[0].status_code == 204
            assert known.phase is (Phase.COMPLETED if delivered else Phase.CANCELLED)
            assert (known.status.result is not None) is delivered

    @staticmethod
    async def _deliver(runner: GatewayCaller, answers: list[httpx2.Response]) -> None:
        answers.append(await runner.deliver(result()))

    async def test_a_result_whose_escapes_do_not_fit_the_object_fails_the_task(self, world: GatewayWorld) -> None:
        task = await world.submit()
        runner = await world.claimed(task)
        assert (await runner.deliver(result('{"a":"' + "<" * 500_000 + '"}'))).status_code == 204
        known = await world.task(task)
        assert known.status.reason == "ResultTooLarge"
        assert "MCPTASKS_REDIS_URL" in (known.status.message or "")

    async def test_a_result_that_large_arguments_leave_no_room_for_fails_the_task(self, world: GatewayWorld) -> None:
        arguments = {"a": "x" * (250 * KIB)}
        task = await world.submit(arguments=arguments, argumentsText=json.dumps(arguments))
        runner = await world.claimed(task)
        assert (await runner.deliver(result(text_of(MIB)))).status_code == 204
        assert (await world.task(task)).status.reason == "ResultTooLarge"


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
                    for http in [one, two] * 3:
                        group.start_soon(deliver, runner.at(http))
                assert answers == [204] * 6
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


class TestBodies:
    async def test_a_body_beyond_the_limit_is_refused_by_its_header(self, world: GatewayWorld) -> None:
        runner = await world.claimed(await world.submit())
        headers = {"Authorization": f"Bearer {runner.token}", "Content-Length": str(10 * MIB)}
        async with world.served(Settings()) as url, httpx2.AsyncClient() as http:
            answer = await http.post(url + OUTCOME_PATH, content=b"{}" * 5 * MIB, headers=headers)
        assert code(answer) == (413, "Invalid")

    async def test_a_body_without_a_length_is_refused_when_it_passes_the_limit(self, world: GatewayWorld) -> None:
        runner = await world.claimed(await world.submit())
        sent: list[int] = []

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(10_000):
                sent.append(MIB)
                yield b"x" * MIB

        headers = {"Authorization": f"Bearer {runner.token}"}
        async with world.gateway() as http:
            answer = await http.post(OUTCOME_PATH, content=endless(), headers=headers)
        assert code(answer) == (413, "Invalid")
        assert len(sent) < 100

    async def test_more_large_bodies_than_fit_have_to_wait(self, world: GatewayWorld) -> None:
        runner = await world.claimed(await world.submit())
        headers = {"Authorization": f"Bearer {runner.token}"}
        at_once = 64 // 3
        going, begun = anyio.Event(), anyio.Semaphore(0)
        answers: list[httpx2.Response] = []

        async def slow() -> AsyncIterator[bytes]:
            begun.release()
            await going.wait()
            yield b"{}"

        async def quick() -> AsyncIterator[bytes]:
            yield b"{}"

        async def post(http: httpx2.AsyncClient) -> None:
            answers.append(await http.post(OUTCOME_PATH, content=slow(), headers=headers))

        async with world.gateway() as http:
            async with anyio.create_task_group() as group:
                for _ in range(at_once):
                    group.start_soon(post, http)
                for _ in range(at_once):
                    await begun.acquire()
                assert code(await http.post(OUTCOME_PATH, content=quick(), headers=headers)) == (503, "Unavailable")
                going.set()
            assert {code(answer) for answer in answers} == {(422, "Invalid")}
            assert code(await http.post(OUTCOME_PATH, content=quick(), headers=headers)) == (422, "Invalid")

    async def test_the_runners_own_client_brings_a_large_result_home(self, world: GatewayWorld, tmp_path: Path) -> None:
        task = await world.submit()
        pod = await world.pod(task)
        token_file = tmp_path / "token"
        await anyio.Path(token_file).write_text(await world.token(pod))
        text = text_of(8 * MIB)
        with running_redis() as server:
            settings = Settings(redis_url=server.url)
            async with world.served(settings) as url, Results.from_settings(settings) as results:
                client = GatewayClient(url, token_file, RetryPace(first=0.01))
                deadline = anyio.current_time() + 30
                assignment = await client.assignment(deadline)
                assert assignment.uid == task["metadata"]["uid"]
                await client.deliver(encoded(ResultOutcome(text=text)), deadline)
                await client.aclose()
                record = (await world.task(task)).status.result
                assert record is not None
                assert await results.get(record) == text
        assert record.size_bytes > 64 * KIB


@pytest.mark.parametrize("outcome", [{"kind": "process", "exitCode": 1}, {"kind": "unstarted"}])
async def test_a_tasks_own_pod_cannot_say_what_a_worker_says(world: GatewayWorld, outcome: JsonObject) -> None:
    task = await world.submit()
    runner = await world.claimed(task)
    assert code(await runner.deliver(outcome)) == (422, "Invalid")
    assert (await world.task(task)).phase is Phase.WORKING
