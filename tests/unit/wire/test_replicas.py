"""What a replica says of tasks while it hears nothing of the API server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from mcptasks.kube.client import KubeClient
from mcptasks.kube.errors import UnavailableError
from mcptasks.settings import Settings
from tests.support.doubles import MemoryTasks
from tests.support.kubectl import eventually
from tests.unit.wire.conftest import Endpoint, serving

AWAY = UnavailableError(0, "Unavailable", "cannot reach it")


class Away:
    async def list(self, *_: object, **__: object) -> Any:
        raise AWAY


@contextmanager
def deaf(endpoint: Endpoint) -> Iterator[None]:
    """The endpoint's watch is cut off."""
    endpoint.service.cache.client = cast(KubeClient, Away())
    running = asyncio.run_coroutine_threadsafe(endpoint.service.cache.run(), endpoint.loop)
    try:
        eventually("it has noticed", lambda: endpoint.service.cache.lagging)
        yield
    finally:
        running.cancel()


@pytest.fixture
def replicas() -> Iterator[tuple[Endpoint, Endpoint]]:
    tasks = MemoryTasks()
    with serving(Settings(), tasks=tasks) as one, serving(Settings(), tasks=tasks) as two:
        yield one, two


def test_a_replica_without_a_watch_asks_for_what_another_one_may_know(replicas: tuple[Endpoint, Endpoint]) -> None:
    one, two = replicas
    task_id = one.make()
    with deaf(one):
        two.get(task_id)
        two.complete(task_id)
        assert one.get(task_id)["status"] == "completed"


def test_it_says_what_it_knows_where_nobody_can_be_asked(replicas: tuple[Endpoint, Endpoint]) -> None:
    one, _ = replicas
    task_id = one.make()
    with deaf(one):
        one.tasks.fail_with = AWAY
        assert one.get(task_id)["status"] == "working"


def test_an_end_that_it_knows_needs_no_asking(replicas: tuple[Endpoint, Endpoint]) -> None:
    one, _ = replicas
    task_id = one.make()
    one.complete(task_id)
    with deaf(one):
        one.tasks.fail_with = AWAY
        assert one.get(task_id)["status"] == "completed"
