"""Bodies that runners send: their size and their form."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import httpx2
import pytest

from mcptasks.gateway.contract import INPUT_PATH, OUTCOME_PATH, ResultOutcome
from mcptasks.model.task import Phase
from mcptasks.runner.gateway_client import GatewayClient, RetryPace
from mcptasks.runner.outcome_encoding import encoded
from mcptasks.settings import KIB, MIB, Settings
from mcptasks.stores.results import Results
from tests.integration.gateway.harness import GatewayWorld, code, result
from tests.support.json_texts import text_of
from tests.support.redis import running_redis

pytestmark = pytest.mark.anyio


@dataclass
class StalledUpload:
    """A body of one byte that never ends."""

    begun: anyio.Event = field(default_factory=anyio.Event)

    async def body(self) -> AsyncIterator[bytes]:
        yield b"{"
        # The first byte has been taken.
        self.begun.set()
        await anyio.sleep_forever()


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

    async def test_uploads_of_one_byte_keep_nobodys_outcome_waiting(self, world: GatewayWorld) -> None:
        task = await world.submit()
        attackers = [await world.claimed(await world.submit()) for _ in range(2)]
        with_redis = Settings(redis_url="redis://127.0.0.1:1")
        async with world.gateway(with_redis) as http, anyio.create_task_group() as group:
            for attacker in attackers:
                upload = StalledUpload()
                group.start_soon(partial(attacker.at(http).upload, upload.body()))
                await upload.begun.wait()
            runner = (await world.claimed(task)).at(http)
            assert (await runner.deliver(result())).status_code == 204
            group.cancel_scope.cancel()
        assert (await world.task(task)).phase is Phase.COMPLETED

    async def test_a_pod_sends_one_outcome_at_a_time(self, world: GatewayWorld) -> None:
        task = await world.submit()
        upload = StalledUpload()
        async with world.gateway() as http, anyio.create_task_group() as group:
            runner = (await world.claimed(task)).at(http)
            group.start_soon(partial(runner.upload, upload.body()))
            await upload.begun.wait()
            assert code(await runner.deliver(result())) == (429, "Unavailable")
            group.cancel_scope.cancel()
        async with world.gateway() as http:
            assert (await runner.at(http).deliver(result())).status_code == 204

    async def test_an_upload_that_drips_is_cut_off(self, world: GatewayWorld) -> None:
        task = await world.submit()
        async with world.gateway(stall_seconds=0.2) as http:
            runner = (await world.claimed(task)).at(http)
            answer = await runner.upload(StalledUpload().body())
            assert code(answer) == (503, "Unavailable")
            assert "did not arrive in time" in answer.text
            assert (await runner.deliver(result())).status_code == 204

    async def test_a_pod_without_an_outcome_to_give_is_refused_before_its_body_comes(self, world: GatewayWorld) -> None:
        cancelled, unclaimed = await world.submit(), await world.submit()
        async with world.gateway(stall_seconds=0.2) as http:
            runner = (await world.claimed(cancelled)).at(http)
            await world.cancel(cancelled)
            assert code(await runner.upload(StalledUpload().body())) == (410, "TaskEnded")
            early = (await world.runner(unclaimed)).at(http)
            assert code(await early.upload(StalledUpload().body())) == (409, "Superseded")

    async def test_a_pod_without_a_task_that_runs_is_refused_before_its_questions_come(
        self, world: GatewayWorld
    ) -> None:
        cancelled, unclaimed = await world.submit(), await world.submit()
        async with world.gateway(stall_seconds=0.2) as http:
            runner = (await world.claimed(cancelled)).at(http)
            await world.cancel(cancelled)
            assert code(await runner.upload(StalledUpload().body(), INPUT_PATH)) == (410, "TaskEnded")
            early = (await world.runner(unclaimed)).at(http)
            assert code(await early.upload(StalledUpload().body(), INPUT_PATH)) == (409, "Superseded")

    async def test_a_pod_sends_its_questions_one_body_at_a_time(self, world: GatewayWorld) -> None:
        upload = StalledUpload()
        async with world.gateway() as http, anyio.create_task_group() as group:
            runner = (await world.claimed(await world.submit())).at(http)
            group.start_soon(partial(runner.upload, upload.body(), INPUT_PATH))
            await upload.begun.wait()
            again = await runner.upload(StalledUpload().body(), INPUT_PATH)
            assert code(again) == (429, "Unavailable")
            group.cancel_scope.cancel()

    async def test_the_runners_own_client_brings_a_large_result_home(self, world: GatewayWorld, tmp_path: Path) -> None:
        task = await world.submit()
        pod = await world.pod(task)
        token_file = tmp_path / "token"
        await anyio.Path(token_file).write_text(await world.token(pod))
        text = text_of(8 * MIB)
        with running_redis() as server:
            settings = Settings(redis_url=server.url)
            async with world.served(settings) as url, Results.from_settings(settings) as results:
                client = GatewayClient.over_http(url, token_file, RetryPace(first=0.01))
                deadline = anyio.current_time() + 30
                assignment = await client.assignment(deadline)
                assert assignment.uid == task["metadata"]["uid"]
                await client.deliver(encoded(ResultOutcome(text=text)), deadline)
                await client.aclose()
                record = (await world.task(task)).status.result
                assert record is not None
                assert await results.get(record) == text
        assert record.size_bytes > 64 * KIB
