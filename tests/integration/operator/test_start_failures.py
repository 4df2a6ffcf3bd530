"""How a task ends that does not start, and what it shows until then."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta

import pytest

from mcptasks.kube.kinds import EVENTS, JOBS, MCP_TASKS
from mcptasks.model.base import JsonObject
from tests.integration.operator.ended_tasks import NODES, STUBBORN, fail, message_of, start
from tests.integration.operator.harness import SLEEPER, OperatorWorld, python, template_spec
from tests.support.polling import eventually_async

pytestmark = pytest.mark.anyio


async def test_an_unknown_template_fails_the_task_and_names_those_that_exist(world: OperatorWorld) -> None:
    # Before the operator starts: those that exist are named as far as its watch has told of them.
    await world.template(python(SLEEPER), "gpu")
    async with world.operator():
        name = await world.submit(templateRef={"name": "cpu"})
        task = await world.terminated(name)
        assert task.status.reason == "TemplateNotFound"
        assert "cpu" in message_of(task)
        assert world.namespace in message_of(task)
        assert "gpu" in message_of(task)


async def test_a_template_that_was_made_right_before_the_task_is_found(world: OperatorWorld) -> None:
    async with world.operator():
        for number in range(10):
            await world.template(python(SLEEPER), f"t{number}")
            name = await world.submit(templateRef={"name": f"t{number}"})
            assert (await world.running(name))["metadata"]["labels"]["mcptasks.dev/task"] == name


async def test_a_template_that_makes_no_valid_job_fails_the_task(world: OperatorWorld) -> None:
    async with world.operator():
        task = await fail(world, template_spec(volumeMounts=[{"name": "nowhere", "mountPath": "/data"}]))
        assert task.status.reason == "InvalidTemplate"
        assert "McpTaskTemplate default" in message_of(task)
        assert "nowhere" in message_of(task)


async def test_a_command_that_does_not_exist_fails_the_task_at_once(world: OperatorWorld) -> None:
    async with world.operator():
        task = await fail(world, template_spec(command=["/no/such/program"]), retries=3)
        assert task.status.reason == "ContainerCannotRun"
        assert "/no/such/program" in message_of(task)
        assert task.status.attempts == 1
        await world.gone(JOBS, task.name)


async def test_an_image_that_cannot_be_pulled_is_shown_and_then_fails_the_task(world: OperatorWorld) -> None:
    async with world.operator():
        await world.template(template_spec(image="unpullable.invalid/report:1", startDeadlineSeconds=6))
        name = await world.submit()
        waiting = await world.until(name, lambda task: task.status.reason == "Pending")
        assert not waiting.terminal
        assert "unpullable.invalid/report:1" in message_of(waiting)
        task = await world.ended(name)
        assert task.status.reason == "ImagePullBackOff"
        assert "startDeadlineSeconds of McpTaskTemplate default" in message_of(task)
        await world.terminated(name)
        await world.gone(JOBS, name)


async def test_a_cause_that_stays_is_written_once(world: OperatorWorld) -> None:
    async with world.operator():
        await world.template(template_spec(image="unpullable.invalid/report:1"))
        name = await world.submit()
        waiting = await world.until(name, lambda task: task.status.reason == "Pending")
        await asyncio.sleep(4)
        assert (await world.task(name)).metadata.resource_version == waiting.metadata.resource_version


async def test_a_request_that_no_node_can_meet_fails_the_task(world: OperatorWorld) -> None:
    async with world.operator():
        spec = template_spec(resources={"requests": {"cpu": "1000"}}, startDeadlineSeconds=4)
        task = await fail(world, spec)
        assert task.status.reason == "Unschedulable"
        assert "Insufficient cpu" in message_of(task)


async def test_a_node_that_is_being_added_for_the_pod_is_waited_for(world: OperatorWorld) -> None:
    async with world.operator():
        await world.template(template_spec(resources={"requests": {"cpu": "1000"}}, startDeadlineSeconds=6))
        name = await world.submit()

        async def made() -> list[JsonObject]:
            return await world.pods(name)

        (pod,) = await eventually_async("there is a Pod", made)
        metadata = pod["metadata"]
        moment = (datetime.now(UTC) + timedelta(seconds=4)).isoformat(timespec="seconds").replace("+00:00", "Z")
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name']}.1", "namespace": world.namespace},
            "involvedObject": {"kind": "Pod", "namespace": world.namespace, "name": metadata["name"]}
            | {"uid": metadata["uid"]},
            "type": "Normal",
            "reason": "TriggeredScaleUp",
            "message": "pod triggered scale-up: [{pool 1->2 (max: 5)}]",
            "lastTimestamp": moment,
        }
        await world.kube.create(EVENTS, event, world.namespace)
        shown = await world.until(name, lambda task: "a node is being added" in (task.status.message or ""))
        assert "pool 1->2" in message_of(shown)
        ended = await world.ended(name)
        assert ended.status.reason == "Unschedulable"
        assert ended.status.finished_at is not None
        assert (ended.status.finished_at - datetime.fromisoformat(metadata["creationTimestamp"])).total_seconds() > 8


@pytest.mark.long
async def test_tasks_that_wait_for_others_of_their_template_wait_longer_than_the_start_deadline(
    world: OperatorWorld,
) -> None:
    """The node has room for one at a time: the last gets it only after the deadline has passed once over."""
    node = (await world.kube.list(NODES)).items[0]
    room = {"requests": {"cpu": f"{int(600 * int(node['status']['allocatable']['cpu']))}m"}}
    async with world.operator():
        nap = [sys.executable, "-c", "import time; time.sleep(8)"]
        await world.template(template_spec(command=nap, resources=room, startDeadlineSeconds=20))
        names = [await world.submit() for _ in range(4)]
        ended = [await world.ended(name) for name in names]
    assert [task.status.reason for task in ended] == ["ResultMissing"] * 4


async def test_a_missing_secret_volume_fails_the_task(world: OperatorWorld) -> None:
    async with world.operator():
        pod = {"volumes": [{"name": "key", "secret": {"secretName": "nowhere"}}]}
        mounts = [{"name": "key", "mountPath": "/key"}]
        task = await fail(world, template_spec(pod=pod, volumeMounts=mounts, startDeadlineSeconds=4))
        assert task.status.reason == "VolumeMountFailed"
        assert "nowhere" in message_of(task)


async def test_a_missing_secret_in_the_environment_fails_the_task(world: OperatorWorld) -> None:
    async with world.operator():
        env = [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "nowhere", "key": "k"}}}]
        task = await fail(world, template_spec(env=env, startDeadlineSeconds=4))
        assert task.status.reason == "ContainerConfigError"
        assert "nowhere" in message_of(task)


async def test_a_job_of_somebody_else_in_the_way_fails_the_task_and_stays(world: OperatorWorld) -> None:
    container = {"name": "c", "image": "local", "command": ["sleep", "60"]}
    body = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "mine"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    }
    await world.kube.create(JOBS, body, world.namespace)
    await world.template(python(SLEEPER))
    async with world.operator():
        name = await world.submit("mine")
        task = await world.terminated(name)
        assert (task.phase, task.status.reason) == ("failed", "NameConflict")
        assert await world.job(name) is not None


async def test_a_task_that_is_made_anew_under_its_old_name_waits_for_the_old_job(world: OperatorWorld) -> None:
    async with world.operator():
        name, _ = await start(world, STUBBORN)
        await world.says(name, "ready")
        before = await world.job(name)
        assert before is not None
        await world.kube.delete(MCP_TASKS, name, world.namespace)
        await world.submit(name)

        async def replaced() -> bool:
            job = await world.job(name)
            return job is not None and job["metadata"]["uid"] != before["metadata"]["uid"]

        await eventually_async("the new task has a Job of its own", replaced)
        assert not (await world.task(name)).terminal


async def test_a_suspended_job_has_no_start_deadline(world: OperatorWorld) -> None:
    await world.template(
        template_spec(command=["sleep", "60"], image="local", startDeadlineSeconds=2, queueName="research")
    )
    world.cluster.call(world.cluster.cluster.pause_jobs)
    try:
        async with world.operator():
            name = await world.submit()
            await eventually_async("the Job is there", lambda: world.job(name))
            await world.kube.patch(JOBS, name, {"spec": {"suspend": True}}, world.namespace)
            task = await world.until(name, lambda task: task.status.message == "queued in research")
            await asyncio.sleep(1)
            assert not task.terminal
    finally:
        world.cluster.call(world.cluster.cluster.resume_jobs)
