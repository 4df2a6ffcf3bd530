"""What a replica says of tasks whose changes it has not heard of: nothing watches the API server here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mcptasks.kube.errors import UnavailableError
from mcptasks.model.task import JsonObject
from mcptasks.settings import Settings
from mcptasks.tasks.service import TaskService
from tests.support.doubles import MemoryTasks
from tests.support.kubectl import eventually
from tests.unit.protocol.conftest import Endpoint, serving

AWAY = UnavailableError(0, "Unavailable", "cannot reach it")


@pytest.fixture
def replicas() -> Iterator[tuple[Endpoint, Endpoint]]:
    tasks = MemoryTasks()
    with serving(Settings(), tasks=tasks) as one, serving(Settings(), tasks=tasks) as two:
        yield one, two


def test_a_replica_that_is_behind_asks_for_what_another_one_may_know(replicas: tuple[Endpoint, Endpoint]) -> None:
    one, two = replicas
    task_id = one.make()
    two.get(task_id)
    two.complete(task_id)
    assert one.get(task_id)["status"] == "completed"


def test_it_says_what_it_knows_where_nobody_can_be_asked(replicas: tuple[Endpoint, Endpoint]) -> None:
    one, _ = replicas
    task_id = one.make()
    one.tasks.fail_with = AWAY
    assert one.get(task_id)["status"] == "working"


def test_an_end_that_it_knows_needs_no_asking(replicas: tuple[Endpoint, Endpoint]) -> None:
    one, _ = replicas
    task_id = one.make()
    one.complete(task_id)
    one.tasks.fail_with = AWAY
    assert one.get(task_id)["status"] == "completed"


def test_many_polls_share_what_the_api_server_is_asked() -> None:
    tasks, sparing = MemoryTasks(), Settings(max_fresh_reads_per_second=0.01)
    with serving(sparing, tasks=tasks) as one, serving(Settings(), tasks=tasks) as two:
        task_id = one.make()
        assert one.get(task_id)["status"] == "working"
        two.get(task_id)
        two.complete(task_id)
        assert reads(one, lambda: [one.get(task_id) for _ in range(5)]) == 0
        assert one.get(task_id)["status"] == "working"


@pytest.fixture
def alone() -> Iterator[Endpoint]:
    with serving(Settings()) as endpoint:
        yield endpoint


def test_a_poll_costs_one_read_while_the_task_works_and_none_after_its_end(alone: Endpoint) -> None:
    task_id = alone.make()
    assert reads(alone, lambda: alone.get(task_id)) == 1
    alone.complete(task_id)
    assert reads(alone, lambda: alone.get(task_id)) == 0


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

    assert reads(alone, wait) == 1


@pytest.mark.parametrize(
    "request_of",
    [
        pytest.param(lambda service, task_id: service.get(task_id, None, fresh=True), id="a get that must be fresh"),
        pytest.param(lambda service, task_id: service.answer(task_id, None, {}), id="an answer"),
    ],
)
def test_what_must_not_be_old_is_read_once(
    alone: Endpoint, request_of: Callable[[TaskService, str], Awaitable[object]]
) -> None:
    task_id = alone.make()

    async def asked() -> None:
        await request_of(alone.service, task_id)

    assert reads(alone, lambda: asyncio.run_coroutine_threadsafe(asked(), alone.loop).result(10)) == 1


def progressed(to: int) -> Callable[[object], JsonObject]:
    """A change of the task's status."""
    return lambda _task: {"status": {"progress": {"current": to}}}


def reads(endpoint: Endpoint, action: Callable[[], object]) -> int:
    """How often the action has the API server read the task."""
    before = endpoint.tasks.reads
    action()
    return endpoint.tasks.reads - before
