"""What becomes of tasks is counted once, by whoever writes it."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mcptasks.metrics.instruments import Instruments
from mcptasks.metrics.task_metrics import TaskMetrics
from mcptasks.model.base import JsonObject


@pytest.fixture
def instruments() -> Instruments:
    return Instruments()


@pytest.fixture
def metrics(instruments: Instruments) -> TaskMetrics:
    return TaskMetrics(instruments)


@pytest.fixture
def registry(instruments: Instruments) -> CollectorRegistry:
    return instruments.registry


def task(tool: str = "report", **status: Any) -> JsonObject:
    return {
        "metadata": {"name": "t", "creationTimestamp": "2026-11-01T10:00:00Z"},
        "spec": {"component": {"kind": "tool", "name": tool}, "templateRef": {"name": "gpu"}},
        "status": status,
    }


def write(metrics: TaskMetrics, **status: Any) -> None:
    metrics.written({"status": status}, task(**status))


def test_a_created_task_is_one_of_its_tool(metrics: TaskMetrics, registry: CollectorRegistry) -> None:
    metrics.created(task())
    assert registry.get_sample_value("mcptasks_tasks_created_total", {"tool": "report"}) == 1


def test_progress_is_not_an_event(metrics: TaskMetrics, registry: CollectorRegistry) -> None:
    write(metrics, progress={"current": 1}, phase="working")
    assert registry.get_sample_value("mcptasks_tasks_ended_total", {"tool": "report"}) is None


def test_the_wait_counts_up_to_the_first_attempt(metrics: TaskMetrics, registry: CollectorRegistry) -> None:
    write(metrics, startedAt="2026-11-01T10:00:04.5Z", phase="working", attempts=1)
    write(metrics, startedAt="2026-11-01T10:30:00Z", phase="working", attempts=2)
    assert registry.get_sample_value("mcptasks_task_start_seconds_sum", {"template": "gpu"}) == 4.5
    assert registry.get_sample_value("mcptasks_task_start_seconds_count", {"template": "gpu"}) == 1
    assert registry.get_sample_value("mcptasks_task_attempts_total", {"tool": "report", "executor": "Job"}) == 2


def test_an_end_has_phase_and_reason_run_time_and_size(metrics: TaskMetrics, registry: CollectorRegistry) -> None:
    patch = {"phase": "completed", "reason": "Completed", "finishedAt": "2026-11-01T10:01:00Z"}
    item = task(**patch, startedAt="2026-11-01T10:00:10Z", result={"text": "{}", "sizeBytes": 2})
    metrics.written({"status": patch}, item)
    ended = {"tool": "report", "phase": "completed", "reason": "Completed"}
    assert registry.get_sample_value("mcptasks_tasks_ended_total", ended) == 1
    assert registry.get_sample_value("mcptasks_task_run_seconds_sum", {"tool": "report"}) == 50
    assert registry.get_sample_value("mcptasks_result_bytes_sum", {"store": "inline"}) == 2


def test_a_task_that_never_ran_has_no_run_time(metrics: TaskMetrics, registry: CollectorRegistry) -> None:
    write(metrics, phase="failed", reason="ImagePullBackOff", finishedAt="2026-11-01T10:05:00Z")
    assert registry.get_sample_value("mcptasks_task_run_seconds_count", {"tool": "report"}) is None


def test_a_reason_that_nobody_knows_makes_no_series(metrics: TaskMetrics, registry: CollectorRegistry) -> None:
    write(metrics, phase="failed", reason="Invented17")
    ended = {"tool": "report", "phase": "failed", "reason": "other"}
    assert registry.get_sample_value("mcptasks_tasks_ended_total", ended) == 1


def test_clocks_that_differ_make_no_negative_wait(metrics: TaskMetrics, registry: CollectorRegistry) -> None:
    write(metrics, startedAt="2026-11-01T09:59:59Z", attempts=1)
    assert registry.get_sample_value("mcptasks_task_start_seconds_sum", {"template": "gpu"}) == 0


def test_names_beyond_the_budget_share_a_label(metrics: TaskMetrics, registry: CollectorRegistry) -> None:
    for number in range(1000):
        metrics.created(task(f"tool-{number}"))
    series = [one for family in registry.collect() for one in family.samples if one.name.endswith("created_total")]
    assert len(series) == 201
    assert registry.get_sample_value("mcptasks_tasks_created_total", {"tool": "other"}) == 800


USED = {"wallSeconds": 2.0, "cpuSeconds": 1.5, "peakMemoryBytes": 2**28}
ENDED = {"phase": "cancelled", "reason": "CancelledByCaller", "finishedAt": "2026-11-01T10:01:00Z"}


def gone(at: str) -> list[JsonObject]:
    return [{"type": "PodsTerminated", "status": "True", "lastTransitionTime": at}]


def test_what_a_task_has_used_is_counted_with_its_end(metrics: TaskMetrics, registry: CollectorRegistry) -> None:
    write(metrics, phase="completed", reason="Completed", usage=USED, executor="Warm")
    labels = {"tool": "report", "executor": "Warm"}
    assert registry.get_sample_value("mcptasks_task_cpu_seconds_total", labels) == 1.5
    assert registry.get_sample_value("mcptasks_task_peak_memory_bytes_sum", {"tool": "report"}) == 2**28


def test_an_attempt_that_another_one_follows_is_counted_with_the_last_one(
    metrics: TaskMetrics, registry: CollectorRegistry
) -> None:
    write(metrics, phase="working", reason="Retrying", usage=USED)
    labels = {"tool": "report", "executor": "Job"}
    assert registry.get_sample_value("mcptasks_task_cpu_seconds_total", labels) is None


def test_a_task_whose_worker_reports_after_its_end_has_ended_once(
    metrics: TaskMetrics, registry: CollectorRegistry
) -> None:
    write(metrics, **ENDED, startedAt="2026-11-01T10:00:00Z", conditions=[])
    later: JsonObject = {"usage": USED, "conditions": gone("2026-11-01T10:01:00.250Z")}
    metrics.written({"status": later}, task(**ENDED, startedAt="2026-11-01T10:00:00Z", **later))
    ends = {"tool": "report", "phase": "cancelled", "reason": "CancelledByCaller"}
    assert registry.get_sample_value("mcptasks_tasks_ended_total", ends) == 1
    assert registry.get_sample_value("mcptasks_task_run_seconds_count", {"tool": "report"}) == 1
    assert registry.get_sample_value("mcptasks_task_peak_memory_bytes_count", {"tool": "report"}) == 1
    assert registry.get_sample_value("mcptasks_cancel_to_pods_gone_seconds_sum") == 0.25


def test_only_a_cancelled_task_tells_how_long_its_processes_took_to_go(
    metrics: TaskMetrics, registry: CollectorRegistry
) -> None:
    done: JsonObject = {"phase": "completed", "reason": "Completed", "finishedAt": "2026-11-01T10:01:00Z"}
    later: JsonObject = {"conditions": gone("2026-11-01T10:01:03Z")}
    metrics.written({"status": later}, task(**done, **later))
    assert registry.get_sample_value("mcptasks_cancel_to_pods_gone_seconds_count") == 0
