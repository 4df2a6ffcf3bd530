"""All the ways in which a task ends that are the operator's to see: cancels and failures of the infrastructure."""

from __future__ import annotations

import asyncio
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import pytest

from mcptasks.kube.kinds import EVENTS, JOBS, MCP_TASKS, PODS, Resource
from mcptasks.model.base import JsonObject
from mcptasks.model.task import McpTask
from tests.integration.operator.harness import SLEEPER, OperatorWorld, python, template_spec
from tests.support.polling import eventually_async

pytestmark = pytest.mark.anyio

RESOURCE_QUOTAS = Resource("", "v1", "resourcequotas")
NODES = Resource("", "v1", "nodes", namespaced=False)
STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(600)"
)


async def start(world: OperatorWorld, program: str, **spec: Any) -> tuple[str, int]:
    """A task whose process runs and has claimed it; its name and process id."""
    await world.template(python(program))
    name = await world.submit(**spec)
    pod = await world.running(name)
    await world.claim(name)
    processes = world.cluster.call(world.cluster.cluster.processes)
    return name, processes[f"{pod['metadata']['uid']}/runner"]


def message_of(task: McpTask) -> str:
    return task.status.message or ""


async def assert_nothing_is_left(world: OperatorWorld, name: str, pid: int) -> None:
    assert not psutil.pid_exists(pid)
    assert await world.job(name) is None
    assert await world.pods(name) == []


# --- Cancels ---


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
        await world.cancel(name)
        task = await world.terminated(name)
        await assert_nothing_is_left(world, name, pid)
        condition = task.status.condition("PodsTerminated")
        assert condition is not None
        took = float(condition.message.split()[1])
        assert 2.0 <= took < 6.0, "the template's grace period is 2 s"


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


# --- Failures of the process ---


async def fail(world: OperatorWorld, spec: JsonObject, **task: Any) -> McpTask:
    """A task whose template has this spec, once it has ended and left nothing behind."""
    await world.template(spec)
    name = await world.submit(**task)
    done = await world.terminated(name)
    assert done.phase == "failed"
    return done


async def test_an_exit_code_fails_the_task_with_the_last_log_lines(world: OperatorWorld) -> None:
    async with world.operator():
        task = await fail(world, python("print('first'); print('disk full'); raise SystemExit(3)"))
        assert (task.status.reason, task.status.exit_code) == ("ExitCode", 3)
        assert "exit code 3" in message_of(task)
        assert message_of(task).endswith("Last log lines:\nfirst\ndisk full")
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
        lines = message_of(task).splitlines()
        assert lines[-2:] == [f"100%|{'#' * 80}|", "FATAL: no database"]
        succeeded = task.status.condition("Succeeded")
        assert succeeded is not None
        assert (succeeded.message or "").endswith("FATAL: no database")


async def test_the_end_of_an_endless_line_is_told(world: OperatorWorld) -> None:
    async with world.operator():
        task = await fail(world, python("print('0%' + '#' * 3_000_000 + ' FATAL: no database'); raise SystemExit(3)"))
        assert message_of(task).endswith("# FATAL: no database")


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
        assert "at work" in message_of(task)


async def test_a_process_that_delivers_nothing_fails_the_task(world: OperatorWorld) -> None:
    async with world.operator():
        task = await fail(world, python("print('bye')"))
        assert (task.status.reason, task.status.exit_code) == ("ResultMissing", 0)
        assert message_of(task).endswith("bye")


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


# --- Failures to start ---


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


# --- Retries ---


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
