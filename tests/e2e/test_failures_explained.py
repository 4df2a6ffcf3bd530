"""Every failure has a stable reason and a message with the cause and the last log lines, the same everywhere."""

from __future__ import annotations

import pytest

from mcptasks.resources import JsonObject
from tests.e2e.conftest import Look
from tests.support.kubectl import Kubectl, eventually
from tests.support.mcp import RawClient

CASES: list[tuple[str, JsonObject, str, list[str]]] = [
    ("exit_with", {"code": 3}, "ExitCode", ["exit code 3", "last words"]),
    ("segfault", {}, "KilledBySignal", ["SIGSEGV", "last words"]),
    ("exit_with", {"code": 0}, "ResultMissing", ["delivered no result", "last words"]),
    ("too_slow", {}, "DeadlineExceeded", ["2 s"]),
    ("allocate_in_small", {"mebibytes": 2000}, "OOMKilled", ["160Mi"]),
    ("untemplated", {}, "TemplateNotFound", ["no-such-template"]),
    ("unstartable", {}, "ContainerCannotRun", ["/no/such/program"]),
    ("unpullable", {}, "ImagePullBackOff", ["unpullable.invalid/nothing:1"]),
    ("unschedulable", {}, "Unschedulable", ["cpu"]),
    ("without_secret", {}, "VolumeMountFailed", ["does-not-exist"]),
]


@pytest.mark.parametrize(("tool", "arguments", "reason", "parts"), CASES, ids=[f"{c[0]}-{c[2]}" for c in CASES])
def test_a_failure_is_explained(
    client: RawClient, look: Look, kubectl: Kubectl, tool: str, arguments: JsonObject, reason: str, parts: list[str]
) -> None:
    task_id = client.create(tool, arguments)
    task = client.wait(task_id, seconds=90)
    status = look.status(task_id)
    assert (task["status"], status["reason"]) == ("failed", reason), status
    for part in parts:
        assert part in status["message"], status["message"]
    assert task["statusMessage"] == status["message"]
    error = client.old("tasks/result", {"taskId": task_id}).error
    assert (error["code"], error["data"]) == (-32603, {"reason": reason})
    assert reason in kubectl.run("get", "mcptask", task_id)

    def event() -> bool:
        events = kubectl.list("events")
        return any(e["involvedObject"]["name"] == task_id and e["reason"] == reason for e in events)

    eventually("the event", event)
    look.terminated(task_id, 90)
    running = [pod for pod in look.pods(task_id) if pod["status"]["phase"] in ("Running", "Pending")]
    assert running == []
