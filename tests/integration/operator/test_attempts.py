"""Tasks that get another attempt."""

from __future__ import annotations

import psutil
import pytest

from tests.integration.operator.ended_tasks import message_of, start
from tests.integration.operator.harness import SLEEPER, OperatorWorld, python
from tests.support.polling import eventually_async

pytestmark = pytest.mark.anyio


async def test_a_crash_is_retried_with_back_off_and_counted(world: OperatorWorld) -> None:
    program = "import time; time.sleep(0.2); raise SystemExit(7)"
    async with world.operator():
        await world.template(python(program))
        name = await world.submit(retries=1)
        retrying = await world.until(name, lambda task: task.status.reason == "Retrying")
        assert retrying.status.attempts == 1
        assert "attempt 1 of at most 2" in message_of(retrying)
        assert "exit code 7" in message_of(retrying)
        task = await world.terminated(name)
        assert (task.phase, task.status.reason, task.status.attempts) == ("failed", "ExitCode", 2)


async def test_a_retry_that_succeeds_completes_the_task(world: OperatorWorld) -> None:
    async with world.operator():
        name, pid = await start(world, SLEEPER, retries=1)
        psutil.Process(pid).kill()
        await world.running(name, attempts=2)
        await world.claim(name)
        await world.finish(name)
        task = await world.ended(name)
        assert (task.phase, task.status.attempts) == ("completed", 2)


async def test_an_idempotent_task_runs_again_after_an_eviction(world: OperatorWorld) -> None:
    async with world.operator():
        name, _ = await start(world, SLEEPER, idempotent=True)
        (pod,) = await world.pods(name)
        await world.kube.evict(pod["metadata"]["name"], world.namespace)

        async def another() -> bool:
            return any(p["metadata"]["uid"] != pod["metadata"]["uid"] for p in await world.pods(name))

        await eventually_async("another Pod runs the task", another)
        assert not (await world.task(name)).terminal
