"""Bodies that runners send: their size and their form."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx2
import pytest

from mcptasks.gateway.contract import OUTCOME_PATH, ResultOutcome
from mcptasks.runner.gateway_client import GatewayClient, RetryPace
from mcptasks.runner.outcome_encoding import encoded
from mcptasks.settings import KIB, MIB, Settings
from mcptasks.tasks.results import Results
from tests.integration.gateway.harness import GatewayWorld, code, text_of
from tests.support.redis import running_redis

pytestmark = pytest.mark.anyio


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
