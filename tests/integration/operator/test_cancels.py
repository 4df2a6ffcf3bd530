"""How a task ends that is cancelled, or whose Job or Pod is deleted, and what is left of it."""

from __future__ import annotations

import re

import psutil
import pytest

from mcptasks.kube.kinds import JOBS, MCP_TASKS
from tests.integration.operator.ended_tasks import STUBBORN, assert_nothing_is_left, start
from tests.integration.operator.harness import SLEEPER, OperatorWorld, python
from tests.support.polling import eventually_async

pytestmark = pytest.mark.anyio


async def test_a_cancel_by_the_server_ends_the_process_and_says_how_long_it_took(world: OperatorWorld) -> None:
    async with world.operator():
        name, pid = await start(world, SLEEPER)
        await world.cancel(name)
        task = await world.terminated(name)
        await assert_nothing_is_left(world, name, pid)
        condition = task.status.condition("PodsTerminated")
        assert condition is not None
        assert re.fullmatch(r"terminated \d+\.\d s after the cancel", condition.message)
        assert task.status.reason == "CancelledByCaller"

        async def told() -> bool:
            return "Cancelled" in {event["reason"] for event in await world.events(name)}

        await eventually_async("an event tells of the cancel", told)


async def test_a_process_that_ignores_sigterm_is_killed_after_the_grace_period(world: OperatorWorld) -> None:
    async with world.operator():
        name, pid = await start(world, STUBBORN)
        await world.says(name, "ready")
        await world.cancel(name)
        task = await world.terminated(name)
        await assert_nothing_is_left(world, name, pid)
        condition = task.status.condition("PodsTerminated")
        assert condition is not None
        took = float(condition.message.split()[1])
        assert 2.0 <= took < 30.0, "the template's grace period is 2 s; without one it would be 30"


async def test_spec_cancel_ends_the_task(world: OperatorWorld) -> None:
    async with world.operator():
        name, pid = await start(world, SLEEPER)
        await world.kube.patch(MCP_TASKS, name, {"spec": {"cancel": True}}, world.namespace)
        task = await world.terminated(name)
        assert (task.phase, task.status.reason) == ("cancelled", "CancelledBySpec")
        await assert_nothing_is_left(world, name, pid)
        assert task.status.observed_generation == task.metadata.generation == 2


async def test_a_task_that_is_cancelled_before_it_is_seen_never_gets_a_job(world: OperatorWorld) -> None:
    await world.template(python(SLEEPER))
    name = await world.submit(cancel=True)
    async with world.operator():
        task = await world.terminated(name)
        assert task.phase == "cancelled"
        condition = task.status.condition("PodsTerminated")
        assert condition is not None
        assert condition.message == "no process was started"
        assert await world.job(name) is None


async def test_deleting_the_job_cancels_the_task(world: OperatorWorld) -> None:
    async with world.operator():
        name, pid = await start(world, SLEEPER)
        await world.kube.delete(JOBS, name, world.namespace)
        task = await world.terminated(name)
        assert (task.phase, task.status.reason) == ("cancelled", "JobDeleted")
        await assert_nothing_is_left(world, name, pid)


async def test_deleting_the_job_before_any_claim_cancels_the_task_too(world: OperatorWorld) -> None:
    await world.template(python(SLEEPER))
    async with world.operator():
        name = await world.submit()
        await world.running(name)
        await world.kube.delete(JOBS, name, world.namespace)
        task = await world.terminated(name)
        assert task.status.reason == "JobDeleted"


async def test_pods_that_were_orphaned_with_their_job_are_ended_as_well(world: OperatorWorld) -> None:
    async with world.operator():
        name, pid = await start(world, SLEEPER)
        await world.kube.delete(JOBS, name, world.namespace, propagation="Orphan")
        task = await world.terminated(name)
        assert task.status.reason == "JobDeleted"
        await assert_nothing_is_left(world, name, pid)


async def test_deleting_the_task_removes_everything(world: OperatorWorld) -> None:
    async with world.operator():
        name, pid = await start(world, SLEEPER)
        await world.kube.delete(MCP_TASKS, name, world.namespace)
        await world.gone(JOBS, name)
        await eventually_async("the Pods are gone", lambda: no_pods(world, name))
        assert not psutil.pid_exists(pid)


async def no_pods(world: OperatorWorld, name: str) -> bool:
    return not await world.pods(name)


async def test_a_cancelled_task_expires(world: OperatorWorld) -> None:
    async with world.operator():
        name, _ = await start(world, SLEEPER, ttlMs=1000)
        await world.kube.patch(MCP_TASKS, name, {"spec": {"cancel": True}}, world.namespace)
        await world.terminated(name)
        await world.gone(MCP_TASKS, name)
