"""Limits on how many tasks run at a time, on a cluster: what waits, and what lets it go on."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from mcptasks.kube.kinds import MCP_TASKS
from tests.integration.operator.harness import SLEEPER, OperatorWorld, python
from tests.integration.operator.test_warm import ready, report_gone, take, warm
from tests.support.polling import eventually_async

pytestmark = pytest.mark.anyio


async def admitted(world: OperatorWorld, names: list[str]) -> list[str]:
    return [name for name in names if (await world.task(name)).status.admitted_at is not None]


async def with_place(world: OperatorWorld, names: list[str], count: int) -> list[str]:
    """Wait until this many of the tasks have been given a place."""

    async def look() -> list[str] | None:
        found = await admitted(world, names)
        assert len(found) <= count
        return found if len(found) == count else None

    return await eventually_async(f"{count} of the tasks have a place", look)


async def submit(world: OperatorWorld, count: int, **spec: Any) -> list[str]:
    return [await world.submit(**spec) for _ in range(count)]


async def test_jobs_are_made_for_as_many_tasks_as_may_run(world: OperatorWorld) -> None:
    await world.template(python(SLEEPER))
    names = await submit(world, 5, maxConcurrent=2)
    async with world.operator():
        first = await with_place(world, names, 2)
        waiting = [name for name in names if name not in first]

        async def told() -> bool:
            messages = [(await world.task(name)).status.message or "" for name in waiting]
            return all("tool report runs at most 2 at a time" in message for message in messages)

        await eventually_async("the others are told why they wait", told)
        assert {(await world.task(name)).status.tasks_ahead for name in waiting} == {0, 1, 2}
        assert [await world.job(name) for name in waiting] == [None, None, None]
        await world.cancel(first[0])
        await world.terminated(first[0])
        await with_place(world, waiting, 1)


@pytest.mark.long
async def test_another_operator_counts_the_places_that_the_one_before_has_given(world: OperatorWorld) -> None:
    await world.template(warm())
    names = await submit(world, 4, maxConcurrent=2)
    async with world.operator():
        first = await with_place(world, names, 2)
    async with world.operator():
        (worker,) = await ready(world)
        await anyio.sleep(1)
        assert await admitted(world, names) == first
        await take(world, first[0], worker)
        await world.finish(first[0])
        await report_gone(world, first[0])
        await with_place(world, names, 3)


async def test_a_holder_that_is_deleted_or_whose_worker_dies_gives_its_place_back(world: OperatorWorld) -> None:
    await world.template(warm())
    names = await submit(world, 3, maxConcurrent=1)
    async with world.operator():
        (first,) = await with_place(world, names, 1)
        (worker,) = await ready(world)
        await take(world, first, worker)
        await world.kill_worker(worker)
        assert (await world.ended(first)).terminal
        left = [name for name in names if name != first]
        (second,) = await with_place(world, left, 1)
        await world.kube.delete(MCP_TASKS, second, world.namespace)
        await with_place(world, [name for name in left if name != second], 1)


async def test_one_callers_tasks_wait_and_anothers_do_not(world: OperatorWorld) -> None:
    await world.template(warm())
    many = await submit(world, 3, maxRunningPerCaller=1, principal={"subject": "ann"})
    one = await submit(world, 1, maxRunningPerCaller=1, principal={"subject": "bob"})
    async with world.operator():
        await with_place(world, one, 1)
        await with_place(world, many, 1)
