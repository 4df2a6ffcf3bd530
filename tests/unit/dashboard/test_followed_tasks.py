"""What pages that follow tasks cost the API server, and what they show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from mcptasks.dashboard.dashboard_app import dashboard_app
from mcptasks.dashboard.followed_tasks import LOOK_SECONDS, FollowedTask, SeenAround, look_seconds, stage_of
from mcptasks.dashboard.live_feeds import PAUSE_SECONDS, pause_seconds
from mcptasks.dashboard.rights import Right
from mcptasks.dashboard.task_index import live_part
from mcptasks.kube.errors import NotFoundError
from mcptasks.model.base import JsonObject
from tests.unit.dashboard.open_page import opened
from tests.unit.dashboard.page_site import PageSite, task_item, with_result

pytestmark = pytest.mark.anyio

ALL = frozenset(Right)
NOW = datetime(2026, 11, 30, 13, tzinfo=UTC)


@dataclass
class FollowingSite:
    """A site whose tasks are followed, and what that has read."""

    site: PageSite = field(default_factory=PageSite)
    time: float = 100.0
    followed: int = 1

    def __post_init__(self) -> None:
        self.around = SeenAround(self.site.services.lookup, 100, self.clock)

    def clock(self) -> float:
        return self.time

    @contextmanager
    def task(self, name: str, rights: frozenset[Right] = ALL) -> Iterator[FollowedTask]:
        services = self.site.services
        with services.index.watched("team", name):
            yield FollowedTask(
                services.lookup,
                services.index,
                self.around,
                "team",
                name,
                rights,
                lambda: self.followed,
                lambda: NOW,
            )

    def reads(self) -> list[str]:
        """The kinds of what was read since this was asked last."""
        found = sorted({kind for kind, _ in self.site.cluster.reads})
        self.site.cluster.reads.clear()
        return found


def pod_of(task: str) -> JsonObject:
    return {
        "metadata": {"name": f"{task}-pod", "namespace": "team", "managedFields": [{"manager": "kubelet"}]},
        "spec": {"containers": [{"name": "runner", "image": "registry/tools:1"}]},
        "status": {"containerStatuses": [{"name": "runner", "state": {"running": {}}}]},
    }


def moved_on(name: str, percent: int, **status: Any) -> JsonObject:
    return task_item(name, progress={"current": percent, "total": 100}, message=f"{percent} %", **status)


async def test_progress_is_shown_as_the_watch_tells_it_and_nothing_is_read() -> None:
    all_of = FollowingSite()
    all_of.site.put(moved_on("x", 1))
    with all_of.task("x") as task:
        assert await task.news() is not None
        assert all_of.reads() == ["events", "mcptasks", "pods"]
        for percent in range(2, 50):
            all_of.site.put(moved_on("x", percent))
            found = await task.news()
            assert found is not None
            assert found.task.status.message == f"{percent} %"
    assert all_of.reads() == []


async def test_pods_and_events_are_read_again_when_the_task_moves_on() -> None:
    all_of = FollowingSite()
    all_of.site.put(task_item("x", reason="Pending"))
    with all_of.task("x") as task:
        await task.news()
        all_of.reads()
        all_of.site.cluster.pods = [pod_of("x")]
        all_of.site.put(task_item("x", podName="x-pod"))
        found = await task.news()
    assert found is not None
    assert found.attempt is not None
    assert found.attempt.name == "x-pod"
    assert "managedFields" not in found.attempt.pod["metadata"]
    assert all_of.reads() == ["events", "pods"]


async def test_the_more_tasks_are_followed_the_more_seldom_each_is_looked_at() -> None:
    all_of = FollowingSite()
    all_of.site.put(task_item("x"))
    with all_of.task("x") as task:
        await task.news()
        all_of.reads()
        all_of.time += LOOK_SECONDS
        await task.news()
        assert all_of.reads() == ["events", "pods"]
        all_of.followed = 300
        all_of.time += LOOK_SECONDS
        await task.news()
        assert all_of.reads() == []
    for followed in (1, 5, 300, 1500):
        assert followed / look_seconds(followed) <= 0.5


async def test_a_task_that_has_ended_is_shown_once() -> None:
    all_of = FollowingSite()
    item = task_item("x", phase="completed", reason="Completed", finishedAt="2026-11-30T12:59:00Z")
    all_of.site.put(with_result(item, {"content": []}))
    with all_of.task("x") as task:
        found = await task.news()
        assert found is not None
        assert found.result == {"content": []}
        all_of.reads()
        all_of.time += 1000
        assert await task.news() is None
    assert all_of.reads() == []


async def test_the_pod_of_a_task_that_has_just_ended_is_looked_at_once_more() -> None:
    all_of = FollowingSite()
    item = task_item("x", phase="completed", reason="Completed", finishedAt="2026-11-30T12:59:55Z")
    all_of.site.put(with_result(item, {"content": []}))
    with all_of.task("x") as task:
        await task.news()
        all_of.reads()
        all_of.time += LOOK_SECONDS
        assert await task.news() is not None
    assert all_of.reads() == ["events", "pods"]


async def test_a_task_that_is_gone_is_asked_for_once() -> None:
    all_of = FollowingSite()
    with all_of.task("gone") as task:
        with pytest.raises(NotFoundError):
            await task.news()
        assert all_of.reads() == ["mcptasks"]
        assert await task.news() is None
        assert all_of.reads() == []


async def test_a_task_that_goes_while_it_is_followed_is_told_to_be_gone() -> None:
    all_of = FollowingSite()
    item = task_item("x")
    all_of.site.put(item)
    with all_of.task("x") as task:
        all_of.site.put(item)
        await task.news()
        del all_of.site.cluster.tasks["team", "x"]
        all_of.site.services.index.deleted(item)
        with pytest.raises(NotFoundError):
            await task.news()


async def test_what_one_viewer_may_see_around_a_task_is_not_shown_to_another() -> None:
    all_of = FollowingSite()
    all_of.site.put(task_item("x"))
    all_of.site.cluster.pods = [pod_of("x")]
    all_of.site.cluster.events = [{"reason": "Pulled"}]
    with all_of.task("x") as task, all_of.task("x", frozenset({Right.READ_TASK, Right.READ_EVENTS})) as narrow:
        everything, less = await task.news(), await narrow.news()
    assert everything is not None
    assert less is not None
    assert (len(everything.attempts), len(everything.events)) == (1, 1)
    assert (len(less.attempts), len(less.events)) == (0, 1)


async def test_nothing_of_a_task_is_kept_for_pages_when_nobody_follows_it() -> None:
    all_of = FollowingSite()
    with all_of.task("x"):
        all_of.site.put(task_item("x"))
        assert all_of.site.services.index.followed("team", "x") is not None
    assert all_of.site.services.index.followed("team", "x") is None
    all_of.site.put(task_item("x"))
    assert all_of.site.services.index.followed("team", "x") is None


def test_arguments_and_logs_are_not_kept_for_pages_that_follow_a_task() -> None:
    item = task_item("x", log={"text": "long"})
    item["spec"]["argumentsText"] = "{}"
    kept = live_part(item)
    assert "arguments" not in str(kept)
    assert "long" not in str(kept)
    assert kept["status"]["reason"] == "Running"


def test_progress_is_no_new_stage_and_a_new_reason_is() -> None:
    assert stage_of(moved_on("x", 1)) == stage_of(moved_on("x", 2))
    assert stage_of(task_item("x", message="pulling")) != stage_of(task_item("x", message="cannot pull"))
    assert stage_of(moved_on("x", 1)) != stage_of(moved_on("x", 1, attempts=2))


async def test_a_part_that_is_too_large_for_open_pages_is_shown_when_the_page_is_loaded() -> None:
    site = PageSite()
    site.put(task_item("x"))
    text = "much " * 60_000
    blocks = [{"type": "text", "text": text[:90_000]} for _ in range(4)]
    async with opened(dashboard_app(site.services), "/tasks/team/x/live") as page:
        await page.shows("event: head")
        site.put(with_result(task_item("x", phase="completed", reason="Completed"), {"content": blocks}))
        await page.shows("too large to follow")
    assert len(page.body) < 100_000
    async with site.browser() as browser:
        loaded = await browser.get("/tasks/team/x")
    assert text[:90_000].strip() in loaded.text
    assert "too large to follow" not in loaded.text


def test_many_pages_are_rendered_no_more_often_than_a_few() -> None:
    assert pause_seconds(1) == pause_seconds(8) == PAUSE_SECONDS
    assert {round(feeds / pause_seconds(feeds)) for feeds in (8, 50, 500)} == {20}
