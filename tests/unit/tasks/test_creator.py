"""What a new task's object says of its call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import cast

import pytest

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.task_objects import TaskClient
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.restored import is_restored_object
from mcptasks.model.task import Component
from mcptasks.settings import Settings
from mcptasks.tasks.cached_tasks import amounts_of, cached, group_of
from mcptasks.tasks.calls import Call
from mcptasks.tasks.creator import TaskCreator
from tests.support.doubles import MemoryTasks

pytestmark = pytest.mark.anyio

KEY = "b5f1a7c2-0a53-4e8e-9d0a-7a1d0b7f5c11"


def behind() -> datetime:
    """The time by a clock that is an hour behind the one of `MemoryTasks`."""
    return utc_now() - timedelta(hours=1)


def creator(tasks: MemoryTasks, cluster_time: Callable[[], datetime | None]) -> TaskCreator:
    cache = WatchCache(cast(KubeClient, None), MCP_TASKS, "default", trim=cached, group=group_of, amounts=amounts_of)
    client = cast(TaskClient, tasks)
    return TaskCreator(Settings(), "default", client, cache, now=behind, cluster_time=cluster_time)


@pytest.mark.parametrize("key", [None, KEY])
async def test_a_task_of_a_server_whose_clock_is_behind_is_no_copy(key: str | None) -> None:
    call = Call(Component(name="add"), {}, idempotency_key=key)
    assert not is_restored_object(await creator(MemoryTasks(), utc_now).create(call))


async def test_one_that_does_not_run_for_it_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    tasks, call = MemoryTasks(), Call(Component(name="add"), {}, idempotency_key=KEY)
    assert is_restored_object(await creator(tasks, lambda: None).create(call))
    assert [record.levelno for record in caplog.records if "clock" in record.message] == [logging.ERROR]
    caplog.clear()
    await creator(tasks, utc_now).create(call)
    assert not [record for record in caplog.records if "clock" in record.message]
