"""What a quota of the namespace does to a task."""

from __future__ import annotations

import pytest

from mcptasks.kube.kinds import MCP_TASKS, Resource
from tests.integration.operator.ended_tasks import fail, message_of
from tests.integration.operator.harness import SLEEPER, OperatorWorld, python, template_spec

pytestmark = pytest.mark.anyio

RESOURCE_QUOTAS = Resource("", "v1", "resourcequotas")


async def quota(world: OperatorWorld, hard: dict[str, str]) -> None:
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "limit"}, "spec": {"hard": hard}}
    await world.kube.create(RESOURCE_QUOTAS, body, world.namespace)


async def test_a_quota_on_pods_fails_the_task_after_the_start_deadline(world: OperatorWorld) -> None:
    await quota(world, {"pods": "0"})
    async with world.operator():
        task = await fail(world, template_spec(command=["true"], startDeadlineSeconds=4))
        assert task.status.reason == "QuotaExceeded"
        assert "exceeded quota" in message_of(task)


async def test_a_quota_on_what_the_template_does_not_set_fails_the_task_at_once(world: OperatorWorld) -> None:
    await quota(world, {"limits.cpu": "4"})
    async with world.operator():
        task = await fail(world, template_spec(command=["true"]))
        assert task.status.reason == "QuotaExceeded"
        assert "Set limits.cpu for: " in message_of(task)
        assert "wait for" not in message_of(task).lower()


async def test_a_quota_on_jobs_is_waited_for(world: OperatorWorld) -> None:
    await quota(world, {"count/jobs.batch": "1"})
    await world.template(python(SLEEPER))
    async with world.operator():
        first = await world.submit()
        await world.running(first)
        second = await world.submit()
        waiting = await world.until(second, lambda task: task.status.reason == "Pending")
        assert "exceeded quota" in message_of(waiting)
        await world.kube.delete(MCP_TASKS, first, world.namespace)
        await world.running(second)


async def test_a_quota_on_jobs_fails_the_task_after_the_start_deadline(world: OperatorWorld) -> None:
    await quota(world, {"count/jobs.batch": "0"})
    async with world.operator():
        task = await fail(world, template_spec(command=["true"], startDeadlineSeconds=3))
        assert task.status.reason == "QuotaExceeded"
