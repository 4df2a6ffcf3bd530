"""Progress and outcomes, and what may come between."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from http import HTTPStatus

import anyio
import httpx2
import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.task import Phase
from mcptasks.settings import KIB, MIB, Settings
from tests.integration.gateway.harness import GatewayCaller, GatewayWorld, code, result
from tests.support.json_texts import text_of
from tests.support.polling import until_fits

pytestmark = pytest.mark.anyio


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
            codes = [(await runner.at(http).report(number)).status_code for number in range(50)]
            assert set(codes) <= {HTTPStatus.NO_CONTENT, HTTPStatus.TOO_MANY_REQUESTS}
            last = max(number for number, code in enumerate(codes) if code == HTTPStatus.NO_CONTENT)
            await world.until(task, lambda known: known.status.progress.current == last)  # type: ignore[union-attr]
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
            answer = await until_fits(
                "the answer", lambda: runner.at(http).report(2), lambda answer: answer.status_code != 204
            )
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
        used = {"wallSeconds": 2.5, "cpuSeconds": 1.25, "peakMemoryBytes": 12345}
        assert (await runner.deliver(result(text, usage=used))).status_code == 204
        known = await world.task(task)
        status = known.status
        assert status.usage is not None
        assert status.usage.dump() == used
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


@pytest.mark.parametrize("outcome", [{"kind": "process", "exitCode": 1}, {"kind": "unstarted"}])
async def test_a_tasks_own_pod_cannot_say_what_a_worker_says(world: GatewayWorld, outcome: JsonObject) -> None:
    task = await world.submit()
    runner = await world.claimed(task)
    assert code(await runner.deliver(outcome)) == (422, "Invalid")
    assert (await world.task(task)).phase is Phase.WORKING
