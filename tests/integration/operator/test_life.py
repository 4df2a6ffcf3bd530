"""The normal life of a task, from its creation to its removal."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from mcptasks.kube.kinds import JOBS, MCP_TASKS
from mcptasks.model.lifecycle import Ending
from mcptasks.model.task import Phase, Reason
from tests.integration.operator.harness import SLEEPER, OperatorWorld, kubeconfig_for, python
from tests.integration.operator.proxy import proxied
from tests.support.polling import eventually_async

pytestmark = pytest.mark.anyio

SHORT = "import time; time.sleep(0.5)"
UNTIL_TOLD = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
print("at work", flush=True)
signal.sigwait({signal.SIGUSR1})
"""


async def test_a_normal_task_costs_one_job_one_status_write_and_one_job_patch(
    world: OperatorWorld, tmp_path: Path
) -> None:
    await world.template(python(UNTIL_TOLD))
    async with proxied(world.cluster) as proxy:
        kubeconfig = kubeconfig_for(proxy.url, tmp_path / "kubeconfig")
        async with world.operator(kubeconfig=kubeconfig):
            name = await world.submit()
            await world.running(name)
            await world.says(name, "at work")
            await world.claim(name)
            await world.finish(name)
            (await world.process(name)).send_signal(signal.SIGUSR1)
            await world.terminated(name)

            async def has_ttl() -> bool:
                job = await world.job(name)
                return job is not None and "ttlSecondsAfterFinished" in job["spec"]

            await eventually_async("the Job has a TTL", has_ttl)
            await asyncio.sleep(1)
    base = f"/apis/batch/v1/namespaces/{world.namespace}/jobs"
    assert proxy.writes("/jobs") == [f"POST {base}", f"PATCH {base}/{name}"]
    task_path = f"/apis/mcptasks.dev/v1alpha1/namespaces/{world.namespace}/mcptasks/{name}"
    assert proxy.writes("/mcptasks/") == [f"PATCH {task_path}/status"]
    assert len(proxy.writes("/events")) == 2
    reads = [call.path for call in proxy.calls if call.method == "GET" and name in call.path]
    assert reads == [], "nothing is read past the watches"


async def test_the_job_and_then_the_task_go_when_the_ttl_is_over(world: OperatorWorld) -> None:
    await world.template(python(SHORT))
    async with world.operator():
        name = await world.submit(ttlMs=1000)
        await world.running(name)
        await world.claim(name)
        await world.finish(name, floor=3)
        task = await world.terminated(name)
        job = await world.job(name)
        assert job is not None
        await world.gone(JOBS, name)
        await world.gone(MCP_TASKS, name)
        assert task.status.expires_at is not None


async def test_a_running_task_outlives_its_ttl(world: OperatorWorld) -> None:
    await world.template(python(SLEEPER))
    async with world.operator():
        name = await world.submit(ttlMs=0)
        await world.running(name)
        await world.claim(name)
        await asyncio.sleep(3)
        assert not (await world.task(name)).terminal
        job = await world.job(name)
        assert job is not None
        assert "ttlSecondsAfterFinished" not in job["spec"]


async def test_a_process_that_does_not_leave_after_its_outcome_is_given_time(world: OperatorWorld) -> None:
    await world.template(python(SLEEPER))
    async with world.operator():
        name = await world.submit()
        await world.running(name)
        await world.claim(name)
        await world.finish(name)
        await asyncio.sleep(3)
        job = await world.job(name)
        assert job is not None
        assert "deletionTimestamp" not in job["metadata"]


async def test_events_tell_the_story_of_a_task(world: OperatorWorld) -> None:
    await world.template(python(SHORT))
    async with world.operator():
        name = await world.submit()
        await world.running(name)
        await world.claim(name)
        await world.finish(name)
        await world.terminated(name)

        async def reasons() -> bool:
            return {event["reason"] for event in await world.events(name)} == {"JobCreated", "Completed"}

        await eventually_async("both events are there", reasons)


async def test_the_default_template_may_be_missing(world: OperatorWorld) -> None:
    async with world.operator(runner_command=["python", "-c", SHORT]):
        name = await world.submit()
        pod = await world.running(name)
        assert pod["spec"]["containers"][0]["command"] == ["python", "-c", SHORT]


async def test_a_failure_that_the_gateway_recorded_is_left_as_it_is(world: OperatorWorld) -> None:
    await world.template(python("import sys, time; time.sleep(1); sys.exit(65)"))
    async with world.operator():
        name = await world.submit(retries=3)
        await world.running(name)
        await world.claim(name)
        await world.finish(name, Ending(Phase.FAILED, Reason.TOOL_ERROR, "no such report"))
        task = await world.terminated(name)
        assert (task.status.reason, task.status.message) == ("ToolError", "no such report")
        assert len(await world.pods(name)) == 1
        assert "ToolError" in {event["reason"] for event in await world.events(name)}
