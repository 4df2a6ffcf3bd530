"""What a template's status and Events tell of its workers, on a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from mcptasks.kube.kinds import EVENTS, MCP_TASK_TEMPLATES, Resource
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Condition, Phase, Reason
from mcptasks.model.task_template import McpTaskTemplateStatus
from mcptasks_operator.deciding.pool_report import WORKERS_AVAILABLE
from tests.integration.operator.harness import OperatorWorld
from tests.integration.operator.test_warm import ready, take, warm
from tests.support.polling import until_fits

pytestmark = pytest.mark.anyio

QUOTAS = Resource("", "v1", "resourcequotas")
MODULE_NOT_LOADED = "raise SystemExit(66)"


async def status(world: OperatorWorld) -> McpTaskTemplateStatus:
    found = await world.kube.get(MCP_TASK_TEMPLATES, "default", world.namespace)
    return McpTaskTemplateStatus.model_validate(found.get("status") or {})


async def until(world: OperatorWorld, fits: Callable[[McpTaskTemplateStatus], bool]) -> McpTaskTemplateStatus:
    """Wait until the template's status fits."""
    return await until_fits("the template's status", partial(status, world), fits)


def workers(found: McpTaskTemplateStatus) -> tuple[int | None, int | None, int | None]:
    return found.ready_workers, found.busy_workers, found.wanted_workers


def only_condition(found: McpTaskTemplateStatus) -> Condition:
    (only,) = found.conditions or [Condition(type="", status="Unknown")]
    assert only.type == WORKERS_AVAILABLE
    return only


def condition(found: McpTaskTemplateStatus) -> tuple[str, str]:
    """Status and reason of the only condition."""
    only = only_condition(found)
    return only.status, only.reason


async def template_events(world: OperatorWorld) -> list[JsonObject]:
    listed = await world.kube.list(EVENTS, world.namespace, field_selector="involvedObject.name=default")
    return [event for event in listed.items if event["involvedObject"]["kind"] == "McpTaskTemplate"]


async def events_with(world: OperatorWorld, reason: str) -> list[JsonObject]:
    """Wait for an Event about the template that has the reason."""

    async def look() -> list[JsonObject]:
        return [event for event in await template_events(world) if event["reason"] == reason]

    return await until_fits("the template's Events", look, bool)


async def columns(world: OperatorWorld) -> dict[str, Any]:
    """What `kubectl get mcptasktemplates` shows."""
    table = await world.kube.table(MCP_TASK_TEMPLATES, world.namespace)
    shown = [c["name"] for c in table["columnDefinitions"] if not c.get("priority")]
    return dict(zip(shown, table["rows"][0]["cells"], strict=False))


async def test_a_template_shows_workers_ready_busy_and_wanted(world: OperatorWorld) -> None:
    await world.template(warm())
    name = await world.submit()
    async with world.operator():
        (worker,) = await ready(world)
        await until(world, lambda found: workers(found) == (1, 0, 1) and found.waiting_tasks == 1)
        await take(world, name, worker)
        found = await until(world, lambda found: workers(found) == (1, 1, 1))
        assert condition(found) == ("True", "WorkersReady")
        assert (found.observed_generation, found.waiting_tasks) == (1, 0)
        shown = await columns(world)
        assert list(shown) == ["Name", "Executor", "Ready", "Busy", "Wanted", "Age"]
        assert [shown[name] for name in ("Executor", "Ready", "Busy", "Wanted")] == ["Warm", 1, 1, 1]


async def test_a_pool_that_nobody_needs_is_no_fault(world: OperatorWorld) -> None:
    await world.template(warm(minWorkers=0))
    async with world.operator():
        found = await until(world, lambda found: found.conditions is not None)
    assert condition(found) == ("True", "NoneWanted")
    assert workers(found) == (0, 0, 0)


async def test_a_quota_that_lets_no_worker_start_is_named_at_the_template_and_fails_calls(
    world: OperatorWorld,
) -> None:
    quota = {"metadata": {"name": "little"}, "spec": {"hard": {"limits.memory": "1Mi"}}}
    await world.kube.create(QUOTAS, quota, world.namespace)
    spec = warm()
    spec["podTemplate"]["spec"]["containers"][0]["resources"] = {"limits": {"memory": "2Mi"}}
    await world.template(spec)
    name = await world.submit()
    async with world.operator():
        found = await until(world, lambda found: found.conditions is not None and condition(found)[0] == "False")
        (event, *_) = await events_with(world, "QuotaExceeded")
        task = await world.ended(name)
    assert condition(found) == ("False", "QuotaExceeded")
    assert "raise the ResourceQuota" in only_condition(found).message
    assert "raise the ResourceQuota" in event["message"]
    assert event["type"] == "Warning"
    assert (task.phase, task.status.reason) == (Phase.FAILED, Reason.QUOTA_EXCEEDED)


async def test_a_pool_that_a_quota_keeps_small_goes_on_and_says_so(world: OperatorWorld) -> None:
    quota = {"metadata": {"name": "one"}, "spec": {"hard": {"pods": "1"}}}
    await world.kube.create(QUOTAS, quota, world.namespace)
    await world.template(warm(minWorkers=2))
    async with world.operator():
        found = await until(world, lambda found: found.conditions is not None and found.ready_workers == 1)
        found = await until(world, lambda found: condition(found) == ("True", "QuotaExceeded"))
    message = only_condition(found).message
    assert message.startswith("1 of 2 workers are ready: the namespace's quota does not allow it")


async def test_workers_that_cannot_load_their_module_are_named_at_the_template_and_fail_calls(
    world: OperatorWorld,
) -> None:
    await world.template(warm(MODULE_NOT_LOADED))
    async with world.operator():
        await until(world, lambda found: found.conditions is not None and condition(found)[0] == "False")
        await until(world, lambda found: condition(found)[1] == "ModuleNotLoadable")
        (event, *_) = await events_with(world, "ModuleNotLoadable")
        task = await world.ended(await world.submit())
    assert "the workers of McpTaskTemplate default cannot load their module" in event["message"]
    assert (task.phase, task.status.reason) == (Phase.FAILED, Reason.MODULE_NOT_LOADABLE)


async def test_a_template_whose_tasks_get_pods_of_their_own_says_nothing_of_workers(world: OperatorWorld) -> None:
    await world.template(warm())
    async with world.operator():
        await until(world, lambda found: found.ready_workers == 1)
        patch = {"spec": {"executor": "Job", "warm": None}}
        await world.kube.patch(MCP_TASK_TEMPLATES, "default", patch, world.namespace)
        await until(world, lambda found: found == McpTaskTemplateStatus())


async def test_tasks_that_come_and_go_do_not_each_write_to_the_template(world: OperatorWorld) -> None:
    await world.template(warm())
    async with world.operator():
        (worker,) = await ready(world)
        await until(world, lambda found: workers(found) == (1, 0, 1))
        before = await world.kube.get(MCP_TASK_TEMPLATES, "default", world.namespace)
        started = asyncio.get_running_loop().time()
        versions = {before["metadata"]["resourceVersion"]}
        for _ in range(20):
            name = await world.submit()
            await take(world, name, worker)
            await world.finish(name)
            found = await world.kube.get(MCP_TASK_TEMPLATES, "default", world.namespace)
            versions.add(found["metadata"]["resourceVersion"])
        seconds = asyncio.get_running_loop().time() - started
    assert len(versions) - 1 <= seconds + 1
