"""Claims: one attempt at a time has the task."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from mcptasks.kube.kinds import MCP_TASKS, PODS
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Phase, Reason
from tests.integration.gateway.harness import GatewayCaller, GatewayWorld, code, result

pytestmark = pytest.mark.anyio


async def a_second_later() -> None:
    """Kubernetes counts creation times in whole seconds."""
    await anyio.sleep(1.05)


async def test_a_claim_makes_the_task_visible_as_running(world: GatewayWorld) -> None:
    task = await world.submit(arguments={"n": 1}, timeoutSeconds=60)
    runner = await world.runner(task, activeDeadlineSeconds=55)
    answer = await runner.fetch()
    assert answer.status_code == 200
    told = answer.json()
    assert (told["taskId"], told["attempt"]) == (task["metadata"]["name"], 1)
    assert (told["timeoutSeconds"], told["module"], told["maxResultBytes"]) == (55, "tools.py", 1024 * 1024)
    now = await world.task(task)
    status = now.status
    assert (now.phase, status.reason, status.attempts) == (Phase.WORKING, "Running", 1)
    assert (status.pod_name, status.pod_uid) == (runner.pod["metadata"]["name"], runner.pod["metadata"]["uid"])
    assert status.started_at is not None
    scheduled = status.condition("Scheduled")
    assert scheduled is not None
    assert scheduled.status == "True"
    assert world.written[-1]["status"]["podUid"] == status.pod_uid


async def test_fetching_again_writes_nothing(world: GatewayWorld) -> None:
    task = await world.submit()
    runner = await world.claimed(task)
    before = await world.task(task)
    again = await runner.fetch()
    assert (again.status_code, again.json()["attempt"]) == (200, 1)
    assert await world.task(task) == before


async def test_many_replicas_and_many_calls_make_one_attempt(world: GatewayWorld) -> None:
    task = await world.submit()
    runner = await world.runner(task)
    answers: list[int] = []

    async def fetch(http: Any) -> None:
        answers.append((await runner.at(http).fetch()).status_code)

    async with world.gateway() as one, world.gateway() as two, anyio.create_task_group() as group:
        for http in [one, two] * 5:
            group.start_soon(fetch, http)
    assert answers == [200] * 10
    assert (await world.task(task)).status.attempts == 1


@pytest.mark.parametrize("end", ["gone", "finished"])
async def test_a_later_pod_takes_over_and_the_earlier_one_is_refused(world: GatewayWorld, end: str) -> None:
    task = await world.submit(retries=1)
    earlier = await world.claimed(task)
    name = earlier.pod["metadata"]["name"]
    if end == "gone":
        await world.kube.delete(PODS, name, world.namespace, grace_seconds=0)
    else:
        await world.finish_pod(earlier.pod)
    later = await world.claimed(task)
    assert (await later.fetch()).json()["attempt"] == 2
    for answer in (await earlier.report(1), await earlier.deliver(result('{"late":1}'))):
        assert code(answer) == (409, "Superseded")
    assert (await later.deliver(result('{"right":1}'))).status_code == 204
    record = (await world.task(task)).status.result
    assert record is not None
    assert record.text == '{"right":1}'


@pytest.mark.parametrize(("end", "reason"), [("gone", "Preempted"), ("finished", "ExitCode")])
async def test_a_later_pod_that_the_tasks_rules_do_not_allow_ends_the_task(
    world: GatewayWorld, end: str, reason: str
) -> None:
    task = await world.submit()
    earlier = await world.claimed(task)
    if end == "gone":
        await world.kube.delete(PODS, earlier.pod["metadata"]["name"], world.namespace, grace_seconds=0)
    else:
        await world.finish_pod(earlier.pod)
    later = await world.runner(task)
    for _ in range(2):
        assert code(await later.fetch()) == (410, "TaskEnded")
    ended = await world.task(task)
    status = ended.status
    assert (ended.phase, status.reason, status.attempts) == (Phase.FAILED, reason, 1)
    assert status.pod_uid == earlier.pod["metadata"]["uid"]
    assert status.expires_at is not None
    assert earlier.pod["metadata"]["name"] in (status.message or "")


async def test_an_earlier_pod_does_not_get_the_task_back(world: GatewayWorld) -> None:
    task = await world.submit(retries=1)
    earlier = await world.claimed(task)
    await world.finish_pod(earlier.pod)
    await a_second_later()
    await world.claimed(task)
    assert code(await earlier.fetch()) == (409, "Superseded")
    assert (await world.task(task)).status.attempts == 2


@pytest.mark.parametrize("age", ["of the same second", "newer"])
async def test_a_second_pod_waits_until_the_first_is_finished(world: GatewayWorld, age: str) -> None:
    """The Job controller may make two where the API server dies meanwhile; it deletes the newer one again."""
    task = await world.submit(retries=1)
    if age == "newer":
        one = await world.runner(task)
        await a_second_later()
        two = await world.runner(task)
    else:
        one, two = await twins(world, task)
    await one.fetch()
    assert code(await two.fetch()) == (503, "Unavailable")
    assert (await one.report(1)).status_code == 204
    await world.finish_pod(one.pod)
    assert (await two.fetch()).json()["attempt"] == 2


async def test_a_second_pod_waits_also_for_one_that_has_lost_its_job(world: GatewayWorld) -> None:
    """As `kubectl delete job --cascade=orphan` leaves it."""
    task = await world.submit(idempotent=True, retries=1)
    one = await world.claimed(task)
    two = await world.runner(task)
    name = one.pod["metadata"]["name"]
    await world.kube.patch(PODS, name, {"metadata": {"ownerReferences": None}}, world.namespace)
    assert code(await two.fetch()) == (503, "Unavailable")
    assert (await one.report(1)).status_code == 204


async def twins(world: GatewayWorld, task: JsonObject) -> tuple[GatewayCaller, GatewayCaller]:
    """Two Pods whose creation times are the same, to the second."""
    runners = [await world.runner(task) for _ in range(20)]
    ages = [runner.pod["metadata"]["creationTimestamp"] for runner in runners]
    return next((runners[i], runners[i + 1]) for i in range(19) if ages[i] == ages[i + 1])


async def test_a_new_attempt_starts_without_the_progress_of_the_last(world: GatewayWorld) -> None:
    task = await world.submit(retries=1)
    earlier = await world.claimed(task)
    await earlier.report(5, 10, "half")
    assert (await world.task(task)).status.progress is not None
    await world.finish_pod(earlier.pod)
    await world.claimed(task)
    status = (await world.task(task)).status
    assert (status.progress, status.message) == (None, None)


async def test_a_pod_that_never_fetched_its_assignment_cannot_report(world: GatewayWorld) -> None:
    runner = await world.runner(await world.submit())
    assert code(await runner.report(1)) == (409, "Superseded")
    assert code(await runner.deliver(result())) == (409, "Superseded")


@pytest.mark.parametrize("how", ["tasks/cancel", "spec.cancel"])
async def test_a_cancelled_task_is_not_begun(world: GatewayWorld, how: str) -> None:
    task = await world.submit()
    runner = await world.runner(task)
    await (world.cancel(task) if how == "tasks/cancel" else world.patch(task, {"spec": {"cancel": True}}))
    assert code(await runner.fetch()) == (410, "TaskEnded")
    assert (await world.task(task)).status.attempts is None


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"arguments": [1]}, "not a JSON object"),
        ({"arguments": "text"}, "not a JSON object"),
        ({"arguments": {"a": 1}, "argumentsText": '{"a": 2}'}, "do not agree"),
        ({"arguments": {}, "argumentsText": "{"}, "not JSON"),
    ],
)
async def test_arguments_that_no_tool_can_get_fail_the_task(
    world: GatewayWorld, spec: dict[str, Any], why: str
) -> None:
    task = await world.submit(**spec)
    runner = await world.runner(task)
    assert code(await runner.fetch()) == (410, "TaskEnded")
    item = await world.kube.get(*_mcp_task(task, world))
    assert (item["status"]["phase"], item["status"]["reason"]) == ("failed", Reason.INVALID_ARGUMENTS)
    assert why in item["status"]["message"]
    assert code(await runner.fetch()) == (410, "TaskEnded")


async def test_arguments_come_as_exactly_as_they_were_given(world: GatewayWorld) -> None:
    text = '{"one": 1.0, "big": 12345678901234567890}'
    task = await world.submit(arguments=json.loads(text), argumentsText=text)
    runner = await world.runner(task)
    assert (await runner.fetch()).json()["argumentsText"] == text


def _mcp_task(task: dict[str, Any], world: GatewayWorld) -> tuple[Any, str, str]:
    return MCP_TASKS, task["metadata"]["name"], world.namespace
