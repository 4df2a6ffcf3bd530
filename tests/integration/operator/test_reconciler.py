"""One task at a time, with a cache that is behind the cluster."""

from __future__ import annotations

import asyncio

import pytest

from mcptasks.kube.kinds import JOBS, MCP_TASKS, NAMESPACES
from mcptasks.model.lifecycle import utc_now
from mcptasks_operator.acting.events import EventPoster
from mcptasks_operator.acting.executors import Executors
from mcptasks_operator.acting.gatherer import Gatherer, NamespaceEvents
from mcptasks_operator.acting.pool_keeper import PoolKeeper
from mcptasks_operator.acting.reconciler import Reconciler
from mcptasks_operator.watching.cache import Cache
from mcptasks_operator.watching.watched_kinds import WatchedKind
from tests.integration.operator.harness import SLEEPER, OperatorWorld, is_terminated, python

pytestmark = pytest.mark.anyio


def make_reconciler(world: OperatorWorld, cache: Cache) -> Reconciler:
    return Reconciler(
        kube=world.kube,
        cache=cache,
        executors=Executors.build(world.kube, world.settings),
        pools=PoolKeeper(world.kube, cache, world.settings, wake=lambda _key: None),
        gatherer=Gatherer(world.kube, cache, 20, NamespaceEvents(world.kube)),
        events=EventPoster(world.kube),
        settings=world.settings,
        since=utc_now(),
    )


async def test_a_stale_cache_never_overwrites_an_outcome(world: OperatorWorld) -> None:
    name = await world.submit(templateRef={"name": "nowhere"})
    cache = Cache()
    cache.put(WatchedKind.TASK, await world.task_object(name))
    await world.finish(name)
    reconciler = make_reconciler(world, cache)
    posting = asyncio.create_task(reconciler.events.run())
    await reconciler.reconcile((world.namespace, name))
    task = await world.task(name)
    assert (task.phase, task.status.reason) == ("completed", "Completed")
    assert is_terminated(task)
    posting.cancel()
    await asyncio.wait([posting])
    assert "TemplateNotFound" not in {event["reason"] for event in await world.events(name)}


async def test_a_stale_cache_never_revives_a_deleted_task(world: OperatorWorld) -> None:
    await world.template(python(SLEEPER))
    name = await world.submit(cancel=True)
    cache = Cache()
    cache.put(WatchedKind.TASK, await world.task_object(name))
    await world.kube.delete(MCP_TASKS, name, world.namespace)
    assert await make_reconciler(world, cache).reconcile((world.namespace, name)) is None
    assert cache.snapshot((world.namespace, name)) is None


async def test_a_second_reconcile_of_a_settled_task_does_nothing(world: OperatorWorld) -> None:
    await world.template(python(SLEEPER))
    name = await world.submit()
    cache = Cache()
    cache.put(WatchedKind.TASK, await world.task_object(name))
    reconciler = make_reconciler(world, cache)
    await reconciler.reconcile((world.namespace, name))
    first = await world.job(name)
    assert first is not None
    await reconciler.reconcile((world.namespace, name))
    again = await world.job(name)
    assert again is not None
    assert again["metadata"]["uid"] == first["metadata"]["uid"]
    assert "status" not in await world.task_object(name)
    await world.kube.delete(JOBS, name, world.namespace)


async def test_a_job_that_loses_its_labels_does_not_cancel_its_task(world: OperatorWorld) -> None:
    """A watch with a label selector tells of it as of a deletion."""
    await world.template(python(SLEEPER))
    async with world.operator():
        name = await world.submit()
        await world.running(name)
        await world.claim(name)
        labels = {"metadata": {"labels": {"mcptasks.dev/task": None}}}
        await world.kube.patch(JOBS, name, labels, world.namespace)
        await asyncio.sleep(1.5)
        assert not (await world.task(name)).terminal


@pytest.mark.parametrize("everywhere", [True, False], ids=["all namespaces", "two namespaces"])
async def test_an_operator_serves_more_than_its_own_namespace(world: OperatorWorld, everywhere: bool) -> None:
    other = f"{world.namespace}-b"
    await world.kube.create(NAMESPACES, {"metadata": {"name": other}})
    elsewhere = OperatorWorld(world.kube, world.cluster, other, world.settings)
    watched = ["*"] if everywhere else [world.namespace, other]
    try:
        async with world.operator(watch_namespaces=watched):
            for place in (world, elsewhere):
                await place.template(python(SLEEPER))
                name = await place.submit()
                await place.running(name)
                await place.claim(name)
                await place.cancel(name)
                await place.terminated(name)
    finally:
        await world.kube.delete(NAMESPACES, other)


async def test_an_operator_leaves_other_namespaces_alone(world: OperatorWorld) -> None:
    other = f"{world.namespace}-b"
    await world.kube.create(NAMESPACES, {"metadata": {"name": other}})
    elsewhere = OperatorWorld(world.kube, world.cluster, other, world.settings)
    try:
        async with world.operator():
            foreign = await elsewhere.submit()
            await world.template(python(SLEEPER))
            await world.running(await world.submit())
            assert await elsewhere.job(foreign) is None
    finally:
        await world.kube.delete(NAMESPACES, other)
