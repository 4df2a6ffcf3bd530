"""What the operator tells of its work."""

from __future__ import annotations

from mcptasks.kube.watch_cache import Key
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Reason
from mcptasks_operator.deciding.pool_report import PoolCounts
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


def with_pools() -> OperatorMetrics:
    metrics = leading()
    assert metrics.state.work is not None
    for namespace, name in (("ns", "quick"), ("other", "quick"), ("ns", "gone")):
        metrics.pool((namespace, name), PoolCounts(ready=3, busy=2, starting=1, wanted=5, waiting=4))
        if name != "gone":
            metadata = {"name": name, "namespace": namespace, "uid": f"{namespace}/{name}", "resourceVersion": "1"}
            metrics.state.work.cache.put(WatchedKind.TEMPLATE, {"metadata": metadata, "spec": {"executor": "Warm"}})
    return metrics


def test_the_leader_tells_the_workers_of_templates_by_what_they_do() -> None:
    metrics = with_pools()
    states = {
        state: value(metrics, "mcptasks_workers", template="quick", state=state)
        for state in ("idle", "busy", "starting")
    }
    assert states == {"idle": 2, "busy": 4, "starting": 2}
    assert value(metrics, "mcptasks_workers_wanted", template="quick") == 10
    assert value(metrics, "mcptasks_worker_tasks_waiting", template="quick") == 8


def test_a_template_that_is_gone_or_has_no_workers_is_not_told_of() -> None:
    metrics = with_pools()
    assert value(metrics, "mcptasks_workers_wanted", template="gone") is None
    for namespace in ("ns", "other"):
        metrics.pool((namespace, "quick"), None)
    assert value(metrics, "mcptasks_workers_wanted", template="quick") is None


def test_who_does_not_lead_any_more_tells_of_no_workers() -> None:
    metrics = with_pools()
    metrics.state.work = None
    assert value(metrics, "mcptasks_workers_wanted", template="quick") is None


def test_workers_that_fail_are_counted_by_their_reason() -> None:
    metrics = OperatorMetrics()
    metrics.worker_made("quick")
    metrics.worker_failed("quick", Reason.MODULE_NOT_LOADABLE)
    assert value(metrics, "mcptasks_workers_created_total", template="quick") == 1
    assert value(metrics, "mcptasks_worker_failures_total", template="quick", reason="ModuleNotLoadable") == 1
