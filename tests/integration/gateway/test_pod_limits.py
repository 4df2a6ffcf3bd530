"""What one Pod can cause is bounded, and a runner that meets a bound waits and goes on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from mcptasks.gateway.contract import INPUT_PATH, InputReport, Question
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Phase
from mcptasks.runner.gateway_client import GatewayClient, RetryPace
from mcptasks.settings import KIB, Settings
from tests.integration.gateway.harness import GatewayCaller, GatewayWorld, code, result

pytestmark = pytest.mark.anyio


async def asking(world: GatewayWorld) -> JsonObject:
    return await world.submit(inputTimeoutSeconds=600)


def questions(*keys: str, params: str = "{}") -> JsonObject:
    return {"questions": [{"key": key, "method": "elicitation/create", "paramsText": params} for key in keys]}


async def ask(runner: GatewayCaller, body: JsonObject) -> httpx2.Response:
    return await runner.world.call("POST", INPUT_PATH, runner.token, body, runner.http)


async def repeated(times: int, call: Callable[[int], Awaitable[httpx2.Response]]) -> tuple[Counter[int], float]:
    """How often which status came, and the seconds that it took."""
    begun = time.monotonic()
    codes = Counter([(await call(number)).status_code for number in range(times)])
    return codes, time.monotonic() - begun


class TestBounds:
    async def test_new_questions_in_a_loop_are_written_no_more_often_than_they_may(self, world: GatewayWorld) -> None:
        task = await asking(world)
        runner = await world.claimed(task)
        before = len(world.written)
        codes, seconds = await repeated(150, lambda number: ask(runner, questions(f"1-{number}")))
        assert codes.keys() == {200, 429}
        assert codes[200] <= 20 + 2 * seconds + 1
        assert len(world.written) - before <= codes[200]

    async def test_a_task_asks_so_many_questions_in_its_life(self, world: GatewayWorld) -> None:
        runner = await world.claimed(await asking(world))
        async with world.gateway(Settings(max_questions_per_task=3)) as http:
            for number in range(3):
                assert (await ask(runner.at(http), questions(f"1-{number}"))).status_code == 200
            refused = await ask(runner.at(http), questions("1-3"))
            assert code(refused) == (422, "Invalid")
            assert "MCPTASKS_MAX_QUESTIONS_PER_TASK" in refused.text
            assert (await ask(runner.at(http), questions())).status_code == 200

    async def test_questions_of_any_number_have_a_size_together(self, world: GatewayWorld) -> None:
        runner = await world.claimed(await asking(world))
        many = questions(*(f"1-{number}" for number in range(8)), params="x" * 40 * KIB)
        assert code(await ask(runner, many)) == (422, "Invalid")

    async def test_a_newer_poll_ends_the_one_before(self, world: GatewayWorld) -> None:
        runner = await world.claimed(await asking(world))
        assert (await ask(runner, questions("1-1"))).status_code == 200
        answered = anyio.Semaphore(0)

        async def poll() -> None:
            answer = await world.call("GET", f"{INPUT_PATH}?seconds=30", runner.token)
            assert answer.json() == {"answers": []}
            answered.release()

        with anyio.fail_after(25):
            async with anyio.create_task_group() as group:
                for _ in range(10):
                    group.start_soon(poll)
                for _ in range(9):
                    await answered.acquire()
                group.cancel_scope.cancel()

    @pytest.mark.parametrize(("kind", "burst", "a_second"), [("assignment", 10, 1), ("outcome", 5, 1)])
    async def test_calls_that_change_nothing_are_bounded_too(
        self, world: GatewayWorld, kind: str, burst: int, a_second: int
    ) -> None:
        runner = await world.runner(await world.submit())
        assert (await runner.fetch()).status_code == 200

        async def call(_: int) -> httpx2.Response:
            return await (runner.fetch() if kind == "assignment" else runner.deliver(result()))

        codes, seconds = await repeated(60, call)
        assert codes.keys() == {200 if kind == "assignment" else 204, 429}
        assert codes.total() - codes[429] <= burst + a_second * seconds + 1

    async def test_refused_calls_are_bounded_and_no_other_pod_is_held_up(self, world: GatewayWorld) -> None:
        ended, other = await asking(world), await world.submit()
        runner, honest = await world.claimed(ended), await world.claimed(other)
        await world.cancel(ended)
        codes, seconds = await repeated(60, lambda number: ask(runner, questions(f"1-{number}")))
        assert codes.keys() == {410, 429}
        assert codes[410] <= 20 + 2 * seconds + 1
        assert (await honest.deliver(result())).status_code == 204


class TestHonestRunners:
    async def test_a_runner_with_many_questions_waits_and_goes_on(self, world: GatewayWorld, tmp_path: Path) -> None:
        task = await asking(world)
        runner = await world.claimed(task)
        token = tmp_path / "token"
        await anyio.Path(token).write_text(runner.token)
        async with world.served(Settings()) as url:
            client = GatewayClient.over_http(url, token, RetryPace(first=0.05))
            deadline = anyio.current_time() + 120
            for number in range(26):
                asked = Question(key=f"1-{number}", method="elicitation/create")
                await client.ask(InputReport(questions=[asked]), deadline)
            await client.aclose()
        now = await world.task(task)
        assert (now.phase, now.status.questions_asked) == (Phase.INPUT_REQUIRED, 26)

    async def test_a_limit_is_told_as_something_that_passes(self, world: GatewayWorld) -> None:
        runner: Any = await world.claimed(await asking(world))
        answers = [await runner.fetch() for _ in range(30)]
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert (refused.json()["code"], refused.headers["retry-after"]) == ("Unavailable", "1")
