"""A request reads its task from the API server once, and parses it once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.settings import Settings
from mcptasks.tasks.service import TaskService
from tests.support.polling import eventually
from tests.unit.protocol.conftest import Endpoint, serving
from tests.unit.protocol.costs import Cost, cost_of


@pytest.fixture
def alone() -> Iterator[Endpoint]:
    with serving(Settings()) as endpoint:
        yield endpoint


@pytest.mark.parametrize("version", ["old", "new"])
def test_a_poll_costs_one_read_while_the_task_works_and_none_after_its_end(alone: Endpoint, version: str) -> None:
    task_id = alone.make()

    def poll() -> None:
        assert getattr(alone, version)("tasks/get", {"taskId": task_id}).result["taskId"] == task_id

    assert cost_of(alone, poll) == Cost(reads=1, parses=1)
    alone.complete(task_id)
    assert cost_of(alone, poll) == Cost(reads=0, parses=1)


def test_one_who_waits_reads_once_and_hears_the_rest_from_the_watch(alone: Endpoint) -> None:
    task_id = alone.make()

    def wait() -> None:
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(alone.result, task_id)
            eventually("the call waits", lambda: alone.service.cache.waiting)
            for seen in range(1, 5):
                alone.change(task_id, progressed(seen))
            alone.complete(task_id)
            waiting.result(30)

    assert cost_of(alone, wait).reads == 1


@pytest.mark.parametrize(
    "request_of",
    [
        pytest.param(lambda service, task_id: service.reader.current(task_id, None), id="a read that must be fresh"),
        pytest.param(lambda service, task_id: service.answer(task_id, None, lambda _asked: {}), id="an answer"),
    ],
)
def test_what_must_not_be_old_is_read_once(
    alone: Endpoint, request_of: Callable[[TaskService, str], Awaitable[object]]
) -> None:
    task_id = alone.make()

    async def asked() -> None:
        await request_of(alone.service, task_id)

    assert cost_of(alone, lambda: asyncio.run_coroutine_threadsafe(asked(), alone.loop).result(10)).reads == 1


def progressed(to: int) -> Callable[[object], JsonObject]:
    """A change of the task's status."""
    return lambda _task: {"status": {"progress": {"current": to}}}
