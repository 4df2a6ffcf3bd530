"""Nothing is lost while no operator is there, and nothing is done twice when there are two."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from mcptasks.kube.kinds import JOBS, LEASES, MCP_TASKS
from tests.integration.operator.harness import (
    SLEEPER,
    OperatorThread,
    OperatorWorld,
    kubeconfig_for,
    python,
)
from tests.integration.operator.proxy import ProxiedRequest, proxied
from tests.support.polling import eventually_async

pytestmark = pytest.mark.anyio


async def jobs(world: OperatorWorld) -> list[str]:
    return [job["metadata"]["name"] for job in (await world.kube.list(JOBS, world.namespace)).items]


async def test_a_task_that_was_made_without_an_operator_runs_once_there_is_one(world: OperatorWorld) -> None:
    await world.template(python(SLEEPER))
    name = await world.submit()
    async with world.operator():
        await world.running(name)


Step = Callable[[OperatorWorld, str], Awaitable[object]]


async def claim(world: OperatorWorld, name: str) -> object:
    await world.running(name)
    return await world.claim(name)


async def finish(world: OperatorWorld, name: str) -> object:
    return await world.finish(name, floor=2)


async def kill(world: OperatorWorld, name: str) -> object:
    (await world.process(name)).kill()
    return await eventually_async("the Job has finished", lambda: has_finished_job(world, name))


async def has_finished_job(world: OperatorWorld, name: str) -> bool:
    job = await world.job(name)
    types = {condition["type"] for condition in ((job or {}).get("status") or {}).get("conditions") or ()}
    return bool(types & {"Complete", "Failed"})


@pytest.mark.parametrize("steps", range(4), ids=["before the Job", "Job made", "claimed", "finished"])
async def test_an_operator_that_comes_back_goes_on_where_the_last_one_stopped(world: OperatorWorld, steps: int) -> None:
    """Four operators may come and go; each step of the life happens while none is there."""
    await world.template(python("import time; time.sleep(3)"))
    name = await world.submit(ttlMs=5000)
    done: list[Step] = [claim, finish]
    if steps >= 1:
        async with world.operator():
            await eventually_async("the Job is there", lambda: world.job(name))
    for step in done[: max(steps - 1, 0)]:
        await step(world, name)
    async with world.operator():
        for step in done[max(steps - 1, 0) :]:
            await step(world, name)
        task = await world.terminated(name)
        assert task.phase == "completed"
        assert (await jobs(world)) == [name]
        await world.gone(MCP_TASKS, name)
        assert await jobs(world) == []


async def test_a_cancel_without_an_operator_takes_effect_when_it_returns(world: OperatorWorld) -> None:
    await world.template(python(SLEEPER))
    async with world.operator():
        name = await world.submit()
        await claim(world, name)
    await world.cancel(name)
    assert await world.job(name) is not None
    async with world.operator():
        await world.terminated(name)
        assert await world.job(name) is None


async def test_a_job_that_is_deleted_without_an_operator_cancels_the_claimed_task(world: OperatorWorld) -> None:
    await world.template(python(SLEEPER))
    async with world.operator():
        name = await world.submit()
        await claim(world, name)
    await world.kube.delete(JOBS, name, world.namespace)
    async with world.operator():
        task = await world.terminated(name)
        assert task.status.reason == "JobDeleted"
        assert await jobs(world) == []


async def test_a_job_that_is_deleted_unclaimed_without_an_operator_is_made_again(world: OperatorWorld) -> None:
    """No tool code has run: making it again runs nothing twice."""
    await world.template(python(SLEEPER))
    async with world.operator():
        name = await world.submit()
        await eventually_async("the Job is there", lambda: world.job(name))
    await world.kube.delete(JOBS, name, world.namespace)
    async with world.operator():
        await world.running(name)
        assert not (await world.task(name)).terminal


async def test_a_crash_without_an_operator_is_diagnosed_when_it_returns(world: OperatorWorld) -> None:
    await world.template(python(SLEEPER))
    async with world.operator():
        name = await world.submit()
        await claim(world, name)
        await world.says(name, "at work")
    await kill(world, name)
    async with world.operator():
        task = await world.terminated(name)
        assert task.status.reason == "KilledBySignal"
        assert "at work" in (task.status.log_tail or "")


async def test_what_expired_without_an_operator_is_removed_when_it_returns(world: OperatorWorld) -> None:
    await world.template(python("import time; time.sleep(0.5)"))
    async with world.operator():
        name = await world.submit(ttlMs=0)
        await claim(world, name)
    await world.finish(name, floor=0)
    async with world.operator():
        await world.gone(MCP_TASKS, name)
        await world.gone(JOBS, name)


@pytest.mark.long
async def test_the_standby_takes_over_from_a_leader_that_stops_and_makes_no_second_job(world: OperatorWorld) -> None:
    await world.template(python(SLEEPER))
    first = OperatorThread(world.settings).start()
    second = OperatorThread(world.settings)
    try:
        await first.lead()
        before = await world.submit()
        await world.running(before)
        second.start()
        assert not second.started.wait(1), "there is one leader"
        assert await asyncio.to_thread(first.stop) == 0
        await second.lead()
        after = await world.submit()
        await world.running(after)
        assert sorted(await jobs(world)) == sorted([before, after])
    finally:
        await asyncio.to_thread(first.stop)
        await asyncio.to_thread(second.stop)


async def test_an_operator_that_loses_its_lease_ends_at_once_with_an_exit_code_that_asks_for_a_restart(
    world: OperatorWorld,
) -> None:
    async with world.operator() as operator:
        lease = await world.kube.get(LEASES, "mcptasks-operator", world.namespace)
        lease["spec"]["holderIdentity"] = "somebody-else"
        lease["metadata"].pop("resourceVersion")
        await world.kube.replace(LEASES, "mcptasks-operator", lease, world.namespace)
        assert await asyncio.to_thread(operator.join) == 1


async def test_an_operator_gives_its_lease_up_when_it_stops(world: OperatorWorld) -> None:
    async with world.operator() as operator:
        assert await asyncio.to_thread(operator.stop) == 0
    lease = await world.kube.get(LEASES, "mcptasks-operator", world.namespace)
    assert lease["spec"]["holderIdentity"] == ""


async def test_an_operator_that_cannot_renew_its_lease_ends_so_that_it_is_restarted(
    world: OperatorWorld, tmp_path: Path
) -> None:
    async with proxied(world.cluster) as proxy:
        kubeconfig = kubeconfig_for(proxy.url, tmp_path / "kubeconfig")
        async with world.operator(kubeconfig=kubeconfig, lease_seconds=3, lease_renew_seconds=2) as operator:
            proxy.fault = lambda _call: web.json_response({"kind": "Status", "message": "away"}, status=503)
            assert await asyncio.to_thread(operator.join) == 1


async def test_a_short_absence_of_the_api_server_is_sat_out(world: OperatorWorld, tmp_path: Path) -> None:
    await world.template(python(SLEEPER))
    async with proxied(world.cluster) as proxy:
        kubeconfig = kubeconfig_for(proxy.url, tmp_path / "kubeconfig")
        async with world.operator(kubeconfig=kubeconfig) as operator:
            proxy.fault = lambda _call: web.json_response({"kind": "Status", "message": "away"}, status=503)
            name = await world.submit()
            await asyncio.sleep(1)
            proxy.fault = lambda _call: None
            await world.running(name)
            assert operator.code is None


async def test_a_job_create_whose_answer_is_lost_makes_no_second_job(world: OperatorWorld, tmp_path: Path) -> None:
    """The API server has stored the Job, and the operator does not know."""
    await world.template(python(SLEEPER))
    name = await world.submit()
    async with proxied(world.cluster) as proxy:
        kubeconfig = kubeconfig_for(proxy.url, tmp_path / "kubeconfig")
        async with world.operator():
            await world.running(name)
        job = await world.job(name)

        def hide_jobs(call: ProxiedRequest) -> web.Response | None:
            if call.method == "GET" and call.path.endswith("/jobs"):
                empty = {"kind": "JobList", "apiVersion": "batch/v1", "metadata": {"resourceVersion": "1"}, "items": []}
                return web.json_response(empty)
            return None

        proxy.fault = hide_jobs
        async with world.operator(kubeconfig=kubeconfig):
            await eventually_async("the operator tries to create the Job", lambda: posted(proxy.writes("/jobs")))
            await asyncio.sleep(0.5)
            assert not (await world.task(name)).terminal
            assert await world.job(name) == job


async def posted(writes: list[str]) -> bool:
    return any(write.startswith("POST") for write in writes)


async def test_what_vanishes_unseen_comes_to_light_by_the_resync(world: OperatorWorld, tmp_path: Path) -> None:
    await world.template(python(SLEEPER))
    async with proxied(world.cluster) as proxy:
        kubeconfig = kubeconfig_for(proxy.url, tmp_path / "kubeconfig")
        async with world.operator(kubeconfig=kubeconfig, resync_seconds=2):
            name = await world.submit()
            await claim(world, name)
            proxy.deaf = True
            await world.kube.delete(JOBS, name, world.namespace)
            task = await world.ended(name)
            assert task.status.reason == "JobDeleted"


async def test_an_error_in_a_watch_ends_the_operator_so_that_it_is_restarted(
    world: OperatorWorld, tmp_path: Path
) -> None:
    error = {"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": "etcdserver: request timed out"}}

    def break_watch(call: ProxiedRequest) -> web.Response | None:
        return web.json_response(error) if call.query.get("watch") == "true" and "mcptasks" in call.path else None

    async with proxied(world.cluster) as proxy:
        proxy.fault = break_watch
        kubeconfig = kubeconfig_for(proxy.url, tmp_path / "kubeconfig")
        operator = OperatorThread(world.settings.model_copy(update={"kubeconfig": kubeconfig})).start()
        assert await asyncio.to_thread(operator.join) == 1


@pytest.mark.long
async def test_many_tasks_get_one_job_each_though_the_operator_changes(world: OperatorWorld) -> None:
    await world.template(python("pass"))
    names = [await world.submit() for _ in range(40)]
    for _ in range(3):
        async with world.operator():
            await asyncio.sleep(0.3)
    async with world.operator():
        for name in names:
            await world.ended(name)
    uids = {}
    for name in names:
        pods = await world.pods(name)
        assert len(pods) == 1
        uids[name] = pods[0]["metadata"]["uid"]
    assert len(set(uids.values())) == len(names)
