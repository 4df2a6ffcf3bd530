"""Tasks and Pods for the gateway's unit tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from mcptasks.gateway.pods import PodIdentity, TaskPod
from mcptasks.model.task import McpTask

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def a_task(status: dict[str, Any] | None = None, metadata: dict[str, Any] | None = None, **spec: Any) -> McpTask:
    """A task that was created a minute ago."""
    return McpTask.model_validate(
        {
            "metadata": {
                "name": "report-1",
                "namespace": "ns",
                "uid": "task-uid",
                "generation": 1,
                "creationTimestamp": (NOW - timedelta(minutes=1)).isoformat(),
                **(metadata or {}),
            },
            "spec": {"component": {"name": "report"}, **spec},
            "status": status or {},
        }
    )


def a_pod(uid: str = "pod-1", age: float = 10, **changes: Any) -> TaskPod:
    """A Pod of that task; `age` in seconds."""
    fields: dict[str, Any] = {
        "identity": PodIdentity("ns", f"report-1-{uid}", uid),
        "task_name": "report-1",
        "task_uid": "task-uid",
        "created_at": NOW - timedelta(seconds=age),
    }
    return TaskPod(**fields | changes)
