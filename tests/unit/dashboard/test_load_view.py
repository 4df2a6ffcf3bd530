"""How it goes over all: the last hour, queues and workers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mcptasks.dashboard.load_view import BINS, overview_of, percentile, queues_of
from mcptasks.dashboard.rights import Right
from mcptasks.dashboard.task_rows import TaskRow, row_of
from mcptasks.model.base import JsonObject
from tests.unit.dashboard.page_site import PageSite, task_item

NOW = datetime(2026, 11, 30, 13, 0, tzinfo=UTC)


def stamp(minutes: float) -> str:
    return (NOW - timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def ended(name: str, minutes: float, phase: str = "completed", reason: str = "Completed", ran: float = 10) -> TaskRow:
    """A task that has ended so many minutes ago, after 5 seconds of waiting."""
    item = task_item(name, phase=phase, reason=reason, finishedAt=stamp(minutes))
    start = NOW - timedelta(minutes=minutes, seconds=ran)
    item["status"]["startedAt"] = start.isoformat()
    item["metadata"]["creationTimestamp"] = (start - timedelta(seconds=5)).isoformat()
    return row_of(item)


def test_the_last_hour_is_counted_and_nothing_else() -> None:
    rows = [ended("a", 1), ended("b", 59, "failed", "OOMKilled"), ended("c", 61), ended("d", 30, "cancelled", "X")]
    view = overview_of([*rows, row_of(task_item("e"))], NOW)
    assert (view.ended, view.failed, view.open) == (3, 1, 1)
    assert len(view.bars) == BINS
    assert (view.bars[-1].completed, view.bars[0].failed, view.bars[15].cancelled) == (1, 1, 1)
    assert view.failed_percent == 100 / 3


def test_times_are_told_by_percentiles() -> None:
    rows = [ended(f"t{number}", 1, ran=number) for number in range(1, 101)]
    everything, report = overview_of(rows, NOW).times
    assert everything.name == "all tools"
    assert report.name == "report"
    assert [time.total_seconds() for time in report.ran] == [50, 90, 99]
    assert [time.total_seconds() for time in report.waited] == [5, 5, 5]
    assert percentile([], 50) == timedelta(0)
    assert percentile([timedelta(1)], 99) == timedelta(1)


def test_failures_are_counted_by_reason_with_the_latest_of_each() -> None:
    rows = [
        ended("a", 9, "failed", "OOMKilled"),
        ended("b", 3, "failed", "OOMKilled"),
        ended("c", 5, "failed", "Evicted"),
    ]
    found = overview_of(rows, NOW).failures
    assert [(failure.reason, failure.count, failure.latest.name) for failure in found] == [
        ("OOMKilled", 2, "b"),
        ("Evicted", 1, "c"),
    ]


def test_an_hour_in_which_nothing_has_ended_is_no_error() -> None:
    view = overview_of([], NOW)
    assert (view.ended, view.highest, view.times, view.failures, view.failed_percent) == (0, 0, [], [], 0.0)


def worker(name: str, template: str = "warm", **more: Any) -> JsonObject:
    return {
        "metadata": {"name": name, "namespace": "team", "labels": {"mcptasks.dev/template": template}, **more},
        "spec": {"nodeName": "n1"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def waiting(name: str, template: str = "warm", minutes: float = 1, caller: str = "") -> TaskRow:
    item = task_item(name, reason="Pending")
    item["spec"] |= {"templateRef": {"name": template}, "principal": {"subject": caller}}
    item["metadata"]["creationTimestamp"] = stamp(minutes)
    return row_of(item)


TEMPLATE = {
    "metadata": {"name": "warm", "namespace": "team"},
    "spec": {"executor": "Warm", "warm": {"minWorkers": 2, "maxWorkers": 4}},
}


def test_a_queue_has_its_workers_what_they_run_and_who_waits() -> None:
    running = task_item("r", podName="w1")
    running["spec"]["templateRef"] = {"name": "warm"}
    rows = [row_of(running), waiting("a", minutes=1, caller="ann"), waiting("b", minutes=2), waiting("c", caller="ann")]
    pods = [worker("w2", annotations={"mcptasks.dev/concurrency": "3"}), worker("w1")]
    (queue,) = queues_of(rows, [TEMPLATE], pods)
    assert (queue.executor, queue.smallest, queue.largest, queue.places) == ("Warm", 2, 4, 4)
    assert [(known.name, [row.name for row in known.running]) for known in queue.workers] == [("w1", ["r"]), ("w2", [])]
    assert [row.name for row in queue.waiting] == ["b", "a", "c"]
    assert queue.callers == [("ann", 2), ("not signed in", 1)]


def test_a_template_that_is_not_there_still_has_a_queue() -> None:
    (queue,) = queues_of([waiting("a", template="gone")], [], [])
    assert (queue.name, len(queue.waiting), queue.workers) == ("gone", 1, [])


def test_workers_are_told_by_what_becomes_of_them() -> None:
    pods = [
        worker("a"),
        worker("b", annotations={"mcptasks.dev/drain": "true"}),
        worker("c", deletionTimestamp=stamp(0)),
        worker("d") | {"status": {"phase": "Pending"}},
    ]
    (queue,) = queues_of([], [], pods)
    assert [known.state for known in queue.workers] == ["ready", "draining", "ending", "pending"]


@pytest.mark.parametrize("concurrency", ["²", "٣", "-1", "1" * 5000, "many", ""])
def test_a_worker_that_says_nonsense_of_its_places_takes_the_page_from_nobody(concurrency: str) -> None:
    (queue,) = queues_of([], [], [worker("w", annotations={"mcptasks.dev/concurrency": concurrency})])
    assert queue.places == 1


def test_each_part_of_these_pages_takes_its_right() -> None:
    site = PageSite.asking_for_tokens()
    site.put(task_item("secret-task", reason="Pending"))
    site.cluster.pods = [worker("secret-worker", template="default")]

    async def look() -> None:
        async with site.browser(authorization="Bearer of-ann") as browser:
            for path in ("/workers", "/overview"):
                page = await browser.get(path)
                assert page.status_code == 200
                assert "secret" not in page.text
            site.allow("bob", "team", Right.LIST_TASKS)
            page = await browser.get("/workers", headers={"authorization": "Bearer of-bob"})
            assert "secret-task" in page.text
            assert "secret-worker" not in page.text
            site.allow("eve", "team", Right.LIST_TASKS, Right.READ_PODS)
            page = await browser.get("/workers", headers={"authorization": "Bearer of-eve"})
            assert "secret-worker" in page.text

    asyncio.run(look())
