"""The log of a task is there when its Pod has gone, for its caller alone, and goes with the task."""

from __future__ import annotations

import pytest

from mcptasks.model.base import JsonObject
from tests.e2e.conftest import Deployment, Look
from tests.support.kubectl import Kubectl
from tests.support.mcp import McpAnswer, RawClient
from tests.support.polling import eventually

LINES = 3000


def read(client: RawClient, task_id: str) -> McpAnswer:
    uri = f"task://{task_id}/log"
    return client.new("resources/read", {"uri": uri}, mcp_name=uri)


def kept(client: RawClient, task_id: str) -> str:
    def look() -> JsonObject | None:
        message = read(client, task_id).message
        return message if "result" in message else None

    found = eventually(f"the log of {task_id} is kept", look, 60)
    assert found is not None
    return str(found["result"]["contents"][0]["text"])


@pytest.mark.parametrize("how", ["return", "killed"])
def test_a_log_outlives_its_pod_and_goes_with_its_task(
    client: RawClient, look: Look, kubectl: Kubectl, deployment: Deployment, how: str
) -> None:
    task_id = client.create("talk", {"lines": LINES, "how": how})
    client.wait(task_id, "completed" if how == "return" else "failed")
    look.terminated(task_id, 60)
    kept(client, task_id)
    task = look.task(task_id)
    assert f":log:{task['metadata']['namespace']}:{task['metadata']['uid']}:1" in " ".join(deployment.stored())
    if pods := [pod["metadata"]["name"] for pod in look.pods(task_id)]:
        kubectl.run("delete", "pod", *pods, "--wait=true", "--timeout=60s", seconds=90)
    text = kept(client, task_id)
    lines = [line for line in text.splitlines() if line.endswith("x")]
    assert (lines[0][:6], lines[-1][:6]) == ("00000 ", f"{LINES - 1:05} ")
    assert len(lines) == LINES
    uri = f"task://{task_id}/log"
    assert client.old("resources/read", {"uri": uri}).result["contents"][0]["text"] == text
    kubectl.run("delete", "mcptask", task_id, "--timeout=60s", seconds=90)
    eventually("the store has forgotten it", lambda: task["metadata"]["uid"] not in " ".join(deployment.stored()), 30)
    assert "Task not found" in read(client, task_id).error["message"]


def test_what_a_cancelled_task_has_printed_is_kept(client: RawClient, look: Look) -> None:
    task_id = client.create("talk", {"lines": 3, "how": "wait"})
    look.running(task_id)
    eventually("it has printed", lambda: client.get(task_id).get("statusMessage") == "printed", 60)
    client.cancel(task_id)
    look.terminated(task_id, 60)
    assert [line for line in kept(client, task_id).splitlines() if line.endswith("x")][-1].startswith("00002 ")
