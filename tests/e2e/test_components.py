"""What surrounds a component in its Pod: progress, logs, lifespan, dependencies."""

from __future__ import annotations

from mcptasks.model.base import API_VERSION
from tests.e2e.conftest import Look
from tests.support.kubectl import Kubectl
from tests.support.mcp import RawClient
from tests.support.polling import eventually


def test_progress_logs_and_lifespan_are_there(client: RawClient, kubectl: Kubectl, look: Look) -> None:
    params = {"name": "surrounded", "arguments": {"seconds": 1.5}, "task": {}, "_meta": {"progressToken": "p1"}}
    task_id = client.old("tools/call", params).result["task"]["taskId"]
    answer = client.old("tasks/result", {"taskId": task_id})
    assert answer.result["structuredContent"] == {"result": "alive"}

    told = [message["params"] for message in answer.messages if message.get("method") == "notifications/progress"]
    assert told, "progress came while the result was waited for"
    assert {(progress["progressToken"], progress["total"]) for progress in told} == {("p1", 2)}

    status = look.status(task_id)
    assert (status["progress"]["current"], status["progress"]["message"]) == (2, "done")
    assert "100% (2/2)" in kubectl.run("get", "mcptask", task_id)
    log = kubectl.run("logs", status["podName"])
    assert "printed" in log
    assert "told the caller" in log


def test_a_task_made_by_hand_cannot_give_what_is_injected(client: RawClient, kubectl: Kubectl, look: Look) -> None:
    spec = {"component": {"kind": "tool", "name": "dependent"}, "arguments": {"row": {"rowNumber": 666}}}
    kubectl.apply({"apiVersion": API_VERSION, "kind": "McpTask", "metadata": {"name": "smuggler"}, "spec": spec})
    eventually("it ends", lambda: look.status("smuggler").get("phase") == "failed", 60)
    message = look.status("smuggler")["message"]
    assert (
        message
        == "Error executing tool dependent: 'row' of tool 'dependent' is filled in by the server and cannot be given"
    )
    kubectl.run("delete", "mcptask", "smuggler")
