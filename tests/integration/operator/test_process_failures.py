"""How a task ends whose process fails, or is taken away."""

from __future__ import annotations

import pytest

from mcptasks.kube.kinds import PODS
from mcptasks.model.base import JsonObject
from tests.integration.operator.ended_tasks import fail, message_of, start
from tests.integration.operator.harness import SLEEPER, OperatorWorld, python, template_spec
from tests.support.polling import eventually_async

pytestmark = pytest.mark.anyio


async def test_an_exit_code_fails_the_task_with_the_last_log_lines(world: OperatorWorld) -> None:
    async with world.operator():
        task = await fail(world, python("print('first'); print('disk full'); raise SystemExit(3)"))
        assert (task.status.reason, task.status.exit_code) == ("ExitCode", 3)
        assert "exit code 3" in message_of(task)
        assert task.status.log_tail == "first\ndisk full"
        assert "disk full" not in message_of(task)
        assert task.status.attempts == 1

        async def told() -> list[JsonObject]:
            return [event for event in await world.events(task.name) if event["reason"] == "ExitCode"]

        (event,) = await eventually_async("an event tells of the failure", told)
        assert event["type"] == "Warning"
        assert "exit code 3" in event["message"]


BAR = """
import sys
for n in range(3000):
    sys.stdout.write(f"\\r{n / 30:3.0f}%|{'#' * 80}|")
sys.stdout.write("\\nFATAL: no database")
sys.exit(3)
"""


async def test_a_progress_bar_does_not_hide_what_the_process_said_last(world: OperatorWorld) -> None:
    async with world.operator():
        task = await fail(world, python(BAR))
        lines = (task.status.log_tail or "").splitlines()
        assert lines[-2:] == [f"100%|{'#' * 80}|", "FATAL: no database"]


async def test_the_end_of_an_endless_line_is_told(world: OperatorWorld) -> None:
    async with world.operator():
        task = await fail(world, python("print('0%' + '#' * 3_000_000 + ' FATAL: no database'); raise SystemExit(3)"))
        assert (task.status.log_tail or "").endswith("# FATAL: no database")


async def test_a_signal_fails_the_task(world: OperatorWorld) -> None:
    async with world.operator():
        task = await fail(world, python("import os; os.kill(os.getpid(), 11)"))
        assert task.status.reason == "KilledBySignal"
        assert "SIGSEGV" in message_of(task)


async def test_running_out_of_memory_fails_the_task_and_names_the_limit(world: OperatorWorld) -> None:
    spec = template_spec(
        command=["python", "-c", "import time; hoard = b'x' * 200_000_000; time.sleep(60)"],
        resources={"limits": {"memory": "100Mi"}},
    )
    async with world.operator():
        task = await fail(world, spec)
        assert task.status.reason == "OOMKilled"
        assert "100Mi" in message_of(task)


async def test_the_run_deadline_fails_the_task_and_names_its_setting(world: OperatorWorld) -> None:
    async with world.operator():
        task = await fail(world, python(SLEEPER), timeoutSeconds=5)
        assert task.status.reason == "DeadlineExceeded"
        assert "longer than 5 s" in message_of(task)
        assert "spec.timeoutSeconds" in message_of(task)
        assert "at work" in (task.status.log_tail or "")


async def test_a_process_that_delivers_nothing_fails_the_task(world: OperatorWorld) -> None:
    async with world.operator():
        task = await fail(world, python("print('bye')"))
        assert (task.status.reason, task.status.exit_code) == ("ResultMissing", 0)
        assert task.status.log_tail == "bye"


async def test_an_unreachable_gateway_is_named(world: OperatorWorld) -> None:
    async with world.operator():
        task = await fail(world, python("raise SystemExit(75)"))
        assert task.status.reason == "GatewayUnreachable"


async def test_a_pod_that_somebody_deletes_fails_the_task(world: OperatorWorld) -> None:
    async with world.operator():
        name, _ = await start(world, SLEEPER)
        (pod,) = await world.pods(name)
        await world.kube.delete(PODS, pod["metadata"]["name"], world.namespace)
        task = await world.terminated(name)
        assert task.phase == "failed"
        assert task.status.reason == "KilledBySignal"
        assert "its Pod was deleted" in message_of(task)


async def test_an_eviction_fails_a_task_that_may_not_run_twice(world: OperatorWorld) -> None:
    async with world.operator():
        name, _ = await start(world, SLEEPER, retries=2)
        (pod,) = await world.pods(name)
        await world.kube.evict(pod["metadata"]["name"], world.namespace)
        task = await world.terminated(name)
        assert (task.phase, task.status.reason) == ("failed", "Evicted")
        assert task.status.attempts == 1
