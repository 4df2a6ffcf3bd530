"""What the operator tells of its work."""

from __future__ import annotations

from datetime import timedelta

from mcptasks.kube.watch_cache import Key
from mcptasks.model.base import JsonObject
from mcptasks.model.task import McpTask
from mcptasks_operator.metrics import LeadingWork, OperatorMetrics, ProcessState
from mcptasks_operator.watching.cache import Cache
from mcptasks_operator.watching.watched_kinds import WatchedKind
from mcptasks_operator.watching.work_queue import WorkQueue


class StoppedClock:
    """Time stands still."""

    def time(self) -> float:
        return 0.0

    def call_at(self, when: float, callback: object, /) -> object:
        raise AssertionError("nothing waits here")


def task(name: str, phase: str | None, **status: str) -> JsonObject:
    return {
        "metadata": {
            "name": name,
            "namespace": "ns",
            "uid": name,
            "resourceVersion": "1",
            "creationTimestamp": "2026-11-01T10:00:00Z",
        },
        "spec": {"component": {"kind": "tool", "name": "t"}},
        "status": status | ({} if phase is None else {"phase": phase}),
    }


def leading(*tasks: JsonObject) -> OperatorMetrics:
    cache = Cache()
    for one in tasks:
        cache.put(WatchedKind.TASK, one)
    queue = WorkQueue[Key](clock=StoppedClock())  # type: ignore[arg-type]
    for one in tasks:
        queue.add(("ns", one["metadata"]["name"]))
    return OperatorMetrics(ProcessState(work=LeadingWork(queue, cache)))


def value(metrics: OperatorMetrics, name: str, **labels: str) -> float | None:
    return metrics.instruments.registry.get_sample_value(name, labels)


def test_the_leader_tells_the_tasks_by_phase() -> None:
    metrics = leading(task("a", None), task("b", "working"), task("c", "failed"))
    assert value(metrics, "mcptasks_tasks", phase="working") == 2
    assert value(metrics, "mcptasks_tasks", phase="failed") == 1
    assert value(metrics, "mcptasks_tasks", phase="cancelled") == 0
    assert value(metrics, "mcptasks_operator_leader") == 1
    assert value(metrics, "mcptasks_operator_queue_ready") == 3


def test_who_stands_by_has_no_tasks_to_tell_of() -> None:
    metrics = OperatorMetrics()
    assert value(metrics, "mcptasks_tasks", phase="working") is None
    assert value(metrics, "mcptasks_operator_leader") == 0
    assert value(metrics, "mcptasks_operator_oldest_work_seconds") == 0


def test_a_cancelled_task_tells_how_long_its_pods_took_to_go() -> None:
    metrics = OperatorMetrics()
    cancelled = McpTask.model_validate(task("a", "cancelled", finishedAt="2026-11-01T10:00:10Z"))
    completed = McpTask.model_validate(task("b", "completed", finishedAt="2026-11-01T10:00:10Z"))
    assert cancelled.status.finished_at is not None
    for one in (cancelled, completed):
        metrics.pods_gone(one, cancelled.status.finished_at + timedelta(seconds=3))
    assert value(metrics, "mcptasks_cancel_to_pods_gone_seconds_sum") == 3
    assert value(metrics, "mcptasks_cancel_to_pods_gone_seconds_count") == 1
