"""Why a task failed: the same words wherever one looks."""

from __future__ import annotations

from mcptasks.model.base import JsonObject
from tests.e2e.conftest import Look
from tests.support.kubectl import Kubectl
from tests.support.mcp import RawClient
from tests.support.polling import eventually


def explained(
    client: RawClient, look: Look, kubectl: Kubectl, task_id: str, reason: str, *parts: str, seconds: float = 90
) -> JsonObject:
    """Wait until the task has failed for the reason, with a message that has these parts; gives its status.

    `tasks/get`, `tasks/result`, `kubectl get` and a Kubernetes Event say the same.
    """
    task = client.wait(task_id, seconds=seconds)
    status = look.status(task_id)
    assert (task["status"], status["reason"]) == ("failed", reason), status
    for part in parts:
        assert part in status["message"], status["message"]
    assert task["statusMessage"] == status["message"]
    error = client.old("tasks/result", {"taskId": task_id}).error
    assert (error["code"], error["data"]) == (-32603, {"reason": reason})
    assert reason in kubectl.run("get", "mcptask", task_id)
    eventually(f"the Event {reason}", lambda: _has_event(kubectl, task_id, reason, parts))
    return status


def _has_event(kubectl: Kubectl, task_id: str, reason: str, parts: tuple[str, ...]) -> bool:
    events = kubectl.list("events")
    told = [e["message"] for e in events if e["involvedObject"]["name"] == task_id and e["reason"] == reason]
    return any(all(part in message for part in parts) for message in told)
