"""What a replica says of tasks whose changes it has not heard of: nothing watches the API server here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mcptasks.kube.errors import UnavailableError
from mcptasks.settings import Settings
from tests.support.doubles import MemoryTasks
from tests.unit.protocol.conftest import Endpoint, serving
from tests.unit.protocol.costs import cost_of

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
        assert cost_of(one, lambda: [one.get(task_id) for _ in range(5)]).reads == 0
        assert one.get(task_id)["status"] == "working"
