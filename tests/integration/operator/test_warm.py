"""Workers and the tasks that they run, on a cluster; the gateway's part is played here."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from mcptasks.kube.kinds import JOBS, MCP_TASK_TEMPLATES, NAMESPACES, PODS
from mcptasks.kube.task_objects import TaskClient
from mcptasks.model.base import ANNOTATION_DRAIN, LABEL_WORKER, JsonObject
from mcptasks.model.lifecycle import SCHEDULED, Ending, conditions, timestamp, utc_now
from mcptasks.model.task import Condition, McpTask, Phase, Reason
from mcptasks_operator.deciding.object_facts import MANAGED_BY_WARM
from tests.integration.operator.harness import OperatorWorld, is_terminated, template_spec
from tests.support.polling import eventually_async

pytestmark = pytest.mark.anyio

WORKER = """
import http.server, os
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
address = os.environ["MCPTASKS_WORKER_HOST"], int(os.environ["MCPTASKS_WORKER_PORT"])
http.server.HTTPServer(address, Ready).serve_forever()
"""


def warm(program: str = WORKER, **pool: Any) -> JsonObject:
    """Spec of a template whose workers run the program."""
    spec = template_spec(command=[sys.executable, "-c", program])
    return {**spec, "executor": "Warm", "warm": {"minWorkers": 1, "maxWorkers": 2, "tasksPerWorker": 0, **pool}}


async def workers(world: OperatorWorld) -> list[JsonObject]:
    listed = await world.kube.list(PODS, world.namespace, label_selector=f"{LABEL_WORKER}=true")
    return sorted(listed.items, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))


def is_ready(pod: JsonObject) -> bool:
    found = {c["type"]: c["status"] for c in pod["status"].get("conditions") or ()}
    return found.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


async def ready(world: OperatorWorld, count: int = 1) -> list[JsonObject]:
    """Wait for this many workers that are ready."""

    async def look() -> list[JsonObject] | None:
        found = [pod for pod in await workers(world) if is_ready(pod)]
        return found if len(found) >= count else None

    return await eventually_async(f"{count} workers are ready", look)


async def take(world: OperatorWorld, name: str, worker: JsonObject) -> None:
    """What happens when a gateway hands the task to the worker."""

    def change(task: McpTask) -> JsonObject:
        return {
            "status": {
                "phase": Phase.WORKING.value,
                "reason": Reason.RUNNING.value,
                "startedAt": timestamp(utc_now()),
                "attempts": (task.status.attempts or 0) + 1,
                "executor": "Warm",
                "jobName": name,
                "podName": worker["metadata"]["name"],
                "podUid": worker["metadata"]["uid"],
                "conditions": conditions(task, utc_now(), Condition(type=SCHEDULED, status="True", reason="Running")),
            }
        }

    await TaskClient(world.kube).update_status(await world.task_object(name), change)


async def report_gone(world: OperatorWorld, name: str) -> None:
    """What happens when a worker says that no process of the task is left."""

    def change(task: McpTask) -> JsonObject:
        gone = Condition(type="PodsTerminated", status="True", reason="ProcessExited", message="")
        return {"status": {"conditions": conditions(task, utc_now(), gone)}}

    await TaskClient(world.kube).update_status(await world.task_object(name), change)


async def job_with(world: OperatorWorld, name: str, kind: str) -> JsonObject:
    """Wait until the task's Job has the condition."""

    async def look() -> JsonObject | None:
        job = await world.job(name)
        held = [c for c in ((job or {}).get("status") or {}).get("conditions") or () if c["type"] == kind]
        return job if held else None

    return await eventually_async(f"the Job of {name} is {kind}", look)


async def test_a_completed_task_leaves_a_complete_job_and_its_worker(world: OperatorWorld) -> None:
    await world.template(warm())
    name = await world.submit()
    async with world.operator():
        (worker,) = await ready(world)
        await take(world, name, worker)
        await world.finish(name)
        await report_gone(world, name)
        job = await job_with(world, name, "Complete")
        assert job["spec"]["managedBy"] == MANAGED_BY_WARM
        assert 3500 < job["spec"]["ttlSecondsAfterFinished"] <= 3600
        assert await world.pods(name) == []
        assert [pod["metadata"]["uid"] for pod in await ready(world)] == [worker["metadata"]["uid"]]


async def test_a_failed_task_fails_its_job(world: OperatorWorld) -> None:
    await world.template(warm())
    name = await world.submit()
    async with world.operator():
        (worker,) = await ready(world)
        await take(world, name, worker)
        await job_with_uid(world, name)
        await world.finish(name, Ending(Phase.FAILED, Reason.EXIT_CODE, "exit code 3"))
        await report_gone(world, name)
        job = await job_with(world, name, "Failed")
    assert "completionTime" not in job["status"]


async def job_with_uid(world: OperatorWorld, name: str) -> str:
    """Wait for the task's Job; gives its uid."""

    async def look() -> str | None:
        job = await world.job(name)
        return str(job["metadata"]["uid"]) if job is not None else None

    return await eventually_async(f"{name} has a Job", look)


async def test_a_worker_that_is_killed_ends_its_tasks_and_is_replaced(world: OperatorWorld) -> None:
    await world.template(warm())
    first, second = await world.submit(), await world.submit()
    async with world.operator():
        worker = (await ready(world))[0]
        await take(world, first, worker)
        await take(world, second, worker)
        await world.kill_worker(worker)
        for name in (first, second):
            task = await world.terminated(name)
            assert (task.phase, task.status.reason) == (Phase.FAILED, Reason.KILLED_BY_SIGNAL)
        others = [pod for pod in await ready(world) if pod["metadata"]["uid"] != worker["metadata"]["uid"]]
        assert others


async def test_a_task_that_may_run_again_waits_for_another_worker(world: OperatorWorld) -> None:
    await world.template(warm())
    name = await world.submit(retries=1)
    async with world.operator():
        (worker,) = await ready(world)
        await take(world, name, worker)
        await world.kill_worker(worker)
        task = await world.until(name, lambda task: task.status.reason == Reason.RETRYING)
        assert (task.status.pod_uid, task.status.retries_used) == (None, 1)
        assert task.status.retry_after is not None


async def test_deleting_the_job_cancels_the_task(world: OperatorWorld) -> None:
    await world.template(warm())
    name = await world.submit()
    async with world.operator():
        (worker,) = await ready(world)
        await take(world, name, worker)
        await job_with_uid(world, name)
        await world.kube.delete(JOBS, name, world.namespace)
        task = await world.ended(name)
        assert (task.phase, task.status.reason) == (Phase.CANCELLED, Reason.JOB_DELETED)
        await report_gone(world, name)
        assert is_terminated(await world.task(name))
    assert await world.job(name) is None


async def test_suspending_the_job_ends_the_task(world: OperatorWorld) -> None:
    await world.template(warm())
    name = await world.submit()
    async with world.operator():
        (worker,) = await ready(world)
        await take(world, name, worker)
        await job_with_uid(world, name)
        await world.kube.patch(JOBS, name, {"spec": {"suspend": True}}, world.namespace)
        assert (await world.ended(name)).status.reason == Reason.PREEMPTED


async def test_tasks_that_wait_have_another_worker_made(world: OperatorWorld) -> None:
    await world.template(warm(maxWorkers=2))
    name = await world.submit()
    async with world.operator():
        (worker,) = await ready(world)
        await take(world, name, worker)
        await world.submit()
        await ready(world, 2)


async def test_a_changed_template_brings_new_workers_before_the_old_ones_drain(world: OperatorWorld) -> None:
    await world.template(warm())
    async with world.operator():
        (old,) = await ready(world)
        changed = {"spec": {"podTemplate": {"metadata": {"labels": {"version": "2"}}}}}
        await world.kube.patch(MCP_TASK_TEMPLATES, "default", changed, world.namespace)

        async def drains() -> bool:
            pod = await world.kube.get(PODS, old["metadata"]["name"], world.namespace)
            return (pod["metadata"].get("annotations") or {}).get(ANNOTATION_DRAIN) == "true"

        await eventually_async("the old worker drains", drains)
        assert any(pod["metadata"]["labels"].get("version") == "2" for pod in await ready(world))


async def test_a_pool_whose_workers_crash_fails_its_tasks_with_their_reason(world: OperatorWorld) -> None:
    await world.template(warm("import sys; sys.exit('no such module')"))
    async with world.operator():
        name = await world.submit()
        task = await world.ended(name)
    assert task.status.reason == Reason.EXIT_CODE
    assert "do not start" in (task.status.message or "")


async def test_a_template_that_goes_takes_its_workers_along(world: OperatorWorld) -> None:
    await world.template(warm())
    async with world.operator():
        await ready(world)
        await world.kube.delete(MCP_TASK_TEMPLATES, "default", world.namespace)

        async def none_left() -> bool:
            return not await workers(world)

        await eventually_async("all workers are gone", none_left)


async def test_the_pod_of_a_worker_for_one_task_goes_with_the_job(world: OperatorWorld) -> None:
    await world.template(warm(tasksPerWorker=1))
    name = await world.submit()
    async with world.operator():
        worker, *_ = await ready(world)
        await take(world, name, worker)
        uid = await job_with_uid(world, name)

        async def adopted() -> bool:
            owners = [pod["metadata"]["ownerReferences"][0]["uid"] for pod in await world.pods(name)]
            return owners == [uid]

        await eventually_async("the Pod is the Job's", adopted)
        await ready(world, 2)
        await world.kube.delete(JOBS, name, world.namespace)
        await world.gone(PODS, worker["metadata"]["name"])
        assert (await world.terminated(name)).phase is Phase.CANCELLED


async def test_a_task_that_workers_gave_up_runs_in_a_pod_of_its_own_where_its_template_says_so_now(
    world: OperatorWorld,
) -> None:
    await world.template(warm())
    name = await world.submit(retries=1)
    async with world.operator():
        (worker,) = await ready(world)
        await take(world, name, worker)
        record = await job_with_uid(world, name)
        await world.kill_worker(worker)
        await world.until(name, lambda task: task.status.reason == Reason.RETRYING)
        spec = {"executor": "Job", "warm": None, **template_spec(command=[sys.executable, "-c", WORKER])}
        await world.kube.patch(MCP_TASK_TEMPLATES, "default", {"spec": spec}, world.namespace)

        async def has_pods() -> bool:
            job = await world.job(name)
            made = job is not None and job["metadata"]["uid"] != record and "managedBy" not in job["spec"]
            return made and bool(await world.pods(name))

        await eventually_async("the task has a Pod of its own", has_pods)
        assert not (await world.task(name)).terminal


async def test_a_warm_template_in_another_namespace_than_the_servers_is_refused_at_once(world: OperatorWorld) -> None:
    other = f"{world.namespace}-warm"
    await world.kube.create(NAMESPACES, {"metadata": {"name": other}})
    elsewhere = OperatorWorld(world.kube, world.cluster, other, world.settings)
    try:
        async with world.operator(watch_namespaces=[world.namespace, other]):
            await elsewhere.template(warm())
            task = await elsewhere.ended(await elsewhere.submit())
            assert task.status.reason == Reason.INVALID_TEMPLATE
            assert f"is for namespace {world.namespace} alone" in (task.status.message or "")
            assert await workers(elsewhere) == []
    finally:
        await world.kube.delete(NAMESPACES, other)
