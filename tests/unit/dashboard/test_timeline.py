"""What happened to a task and when."""

from __future__ import annotations

from datetime import UTC, datetime

from mcptasks.dashboard.plots import progress_plot
from mcptasks.dashboard.task_index import TaskIndex
from mcptasks.dashboard.timeline import timeline_of
from mcptasks.kube.task_attempts import Attempt
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.base import JsonObject
from tests.unit.dashboard.page_site import task_item

NOW = datetime(2026, 11, 30, 12, 1, tzinfo=UTC)


def pod(name: str, created: str, state: JsonObject) -> Attempt:
    return Attempt(
        {
            "metadata": {"name": name, "creationTimestamp": f"2026-11-30T12:00:{created}Z"},
            "spec": {"containers": [{"name": "runner"}], "nodeName": "n1"},
            "status": {
                "containerStatuses": [{"name": "runner", "state": state}],
                "conditions": [
                    {"type": "PodScheduled", "status": "True", "lastTransitionTime": f"2026-11-30T12:00:{created}Z"}
                ],
            },
        }
    )


def ended(started: str, finished: str, code: int) -> JsonObject:
    stamp = "2026-11-30T12:00:{}Z"
    return {
        "terminated": {
            "startedAt": stamp.format(started),
            "finishedAt": stamp.format(finished),
            "exitCode": code,
            "reason": "Error",
        }
    }


def test_a_finished_task_waited_ran_and_ended() -> None:
    task = parse_task(task_item("x", phase="completed", reason="Completed", finishedAt="2026-11-30T12:00:25Z"))
    found = timeline_of(task, [], NOW)
    assert [(span.kind, span.until(NOW).second) for span in found.lanes[0].spans] == [("waiting", 5), ("completed", 25)]
    assert [moment.name for moment in found.moments] == ["Accepted", "Started", "Completed"]
    assert found.seconds == 25


def test_each_attempt_of_a_retried_task_has_a_lane() -> None:
    task = parse_task(task_item("x", attempts=2, startedAt="2026-11-30T12:00:20Z"))
    attempts = [
        pod("p1", "01", ended("02", "10", 3)),
        pod("p2", "15", {"running": {"startedAt": "2026-11-30T12:00:20Z"}}),
    ]
    found = timeline_of(task, attempts, NOW)
    assert [lane.name for lane in found.lanes] == ["Task", "Attempt 1", "Attempt 2"]
    assert [lane.is_failed for lane in found.lanes] == [False, True, False]
    assert found.lanes[1].outcome == "Error (exit code 3)"
    assert found.lanes[0].spans[0].end == datetime(2026, 11, 30, 12, 0, 2, tzinfo=UTC)
    assert found.lanes[2].spans[-1].end is None
    assert found.end == NOW


def test_a_task_that_asks_shows_since_when() -> None:
    asked = [{"key": "k", "method": "elicitation/create", "message": "Which?", "createdAt": "2026-11-30T12:00:30Z"}]
    task = parse_task(
        task_item(
            "x", phase="input_required", reason="InputRequired", inputRequests=asked, inputSince="2026-11-30T12:00:30Z"
        )
    )
    found = timeline_of(task, [], NOW)
    assert [span.kind for span in found.lanes[0].spans] == ["waiting", "running", "asking"]
    assert ("Asked", "Which?") in [(moment.name, moment.detail) for moment in found.moments]


def test_a_task_without_a_pod_only_waits() -> None:
    item = task_item("x", reason="Pending")
    del item["status"]["startedAt"]
    found = timeline_of(parse_task(item), [], NOW)
    assert [span.kind for span in found.lanes[0].spans] == ["waiting"]
    assert found.share(NOW) == 1


def test_progress_that_was_seen_is_a_plot() -> None:
    seconds = iter(range(0, 600, 10))
    index = TaskIndex(clock=lambda: datetime(2026, 11, 30, 12, next(seconds) // 60, tzinfo=UTC))
    for current in (1, 1, 2, 4):
        index.changed(task_item("x", progress={"current": current, "total": 4}), watched=True)
    points = index.progress("team", "x")
    assert [point.current for point in points] == [1, 2, 4]
    plot = progress_plot(points)
    assert plot is not None
    assert plot.summary.startswith("Progress from 1 to 4 of 4 in ")
    assert progress_plot(points[:1]) is None


def test_a_long_history_of_progress_stays_bounded() -> None:
    index = TaskIndex(clock=lambda: NOW)
    for current in range(5000):
        index.changed(task_item("x", progress={"current": current, "total": 5000}), watched=True)
    points = index.progress("team", "x")
    assert len(points) <= 240
    assert points[0].current == 0
    assert points[-1].current == 4999


def test_a_task_of_a_worker_begins_when_it_was_accepted_not_when_the_worker_was_placed() -> None:
    task = parse_task(task_item("x", executor="Warm", podName="w1"))
    worker = pod("w1", "00", {"running": {"startedAt": "2026-11-30T11:00:00Z"}})
    worker.pod["status"]["conditions"][0]["lastTransitionTime"] = "2026-11-30T11:00:00Z"
    found = timeline_of(task, [worker], NOW)
    assert [moment.name for moment in found.moments] == ["Accepted", "Started"]
    assert found.begin == datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
    assert found.lanes[0].spans[0].kind == "waiting"
