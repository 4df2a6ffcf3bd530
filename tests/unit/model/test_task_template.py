"""What of a template makes its workers."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks.model.task_template import Executor, McpTaskTemplateSpec, worker_hash


def warm(pod_template: Any = None, **fields: Any) -> McpTaskTemplateSpec:
    spec = {"executor": "Warm", "podTemplate": pod_template, **fields}
    return McpTaskTemplateSpec.model_validate(spec)


def test_a_template_without_an_executor_makes_jobs() -> None:
    assert McpTaskTemplateSpec().executor is Executor.JOB


@pytest.mark.parametrize(
    "changed",
    [
        warm({"spec": {"containers": [{"name": "runner", "image": "other"}]}}),
        warm(userId="Platform"),
        warm(warm={"tasksPerWorker": 0}),
        warm(warm={"tasksPerWorker": 0, "concurrency": 4}),
    ],
)
def test_workers_of_a_template_are_others_when_what_makes_them_changes(changed: McpTaskTemplateSpec) -> None:
    assert worker_hash(changed) != worker_hash(warm())


@pytest.mark.parametrize(
    "changed",
    [warm(warm={}), warm(warm={"minWorkers": 5, "maxWorkers": 50, "idleSeconds": 9}), warm(timeoutSeconds=5)],
)
def test_workers_stay_when_only_their_number_or_the_tasks_limits_change(changed: McpTaskTemplateSpec) -> None:
    assert worker_hash(changed) == worker_hash(warm())
