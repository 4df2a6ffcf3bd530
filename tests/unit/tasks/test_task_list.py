"""Pages of a caller's tasks: newest first, each once, and only with cursors of ours."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.settings import Settings
from mcptasks.tasks.service_errors import InvalidCallError
from mcptasks.tasks.task_list import PAGE_SIZE, TaskList
from mcptasks.tasks.views import TaskViews
from tests.unit.tasks.objects import MINE, NAMESPACE, task_object

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def cache() -> WatchCache:
    return WatchCache(cast(KubeClient, None), MCP_TASKS, NAMESPACE)


@pytest.fixture
def tasks(cache: WatchCache) -> TaskList:
    return TaskList("default", cache, TaskViews(Settings(), lambda: NOW))


def add(cache: WatchCache, name: str, created: str, **spec: Any) -> None:
    item = task_object(name, **spec)
    item["metadata"]["creationTimestamp"] = created
    cache.add(item)


def test_the_newest_comes_first_and_the_name_decides_between_equals(cache: WatchCache, tasks: TaskList) -> None:
    add(cache, "a", "2025-01-01T00:00:01Z")
    add(cache, "c", "2025-01-01T00:00:00Z")
    add(cache, "b", "2025-01-01T00:00:00Z")
    assert [view.task_id for view in tasks.page(None).tasks] == ["a", "c", "b"]


def test_pages_go_on_where_the_last_one_ended(cache: WatchCache, tasks: TaskList) -> None:
    for number in range(PAGE_SIZE + 1):
        add(cache, f"t{number}", f"2025-01-01T00:{number // 60:02}:{number % 60:02}Z")
    first = tasks.page(None)
    add(cache, "newer", "2025-06-01T00:00:00Z")
    second = tasks.page(None, first.next_cursor)
    assert len(first.tasks) == PAGE_SIZE
    assert [view.task_id for view in second.tasks] == ["t0"]
    assert second.next_cursor is None


def test_tasks_that_nobody_or_another_one_may_see_are_left_out(cache: WatchCache, tasks: TaskList) -> None:
    add(cache, "others", "2025-01-01T00:00:00Z", principal=MINE)
    add(cache, "elsewhere", "2025-01-01T00:00:00Z", server="another")
    cache.add(task_object("expired", status={"phase": "failed", "expiresAt": "2025-12-31T23:59:59Z"}))
    assert tasks.page(None).tasks == []


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "é",
        "\ud800",
        *map(encoded, ("[1, 2]", "[" * 5000 + "]" * 5000, '{"a":' * 5000, "[" * 100_000)),
    ],
    ids=lambda cursor: repr(cursor)[:20],
)
def test_a_cursor_that_is_not_ours_is_refused(tasks: TaskList, cursor: str) -> None:
    with pytest.raises(InvalidCallError, match="Invalid cursor"):
        tasks.page(None, cursor)
