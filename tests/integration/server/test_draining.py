"""A server process that is told to stop answers everybody who still waits, and ends."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mcptasks.dev.stack import LocalStack, StackConfig
from mcptasks.model.base import JsonObject
from tests.support.kubectl import Kubectl
from tests.support.mcp import McpAnswer, RawClient
from tests.support.polling import eventually

LONG: JsonObject = {"count": 1000}


def test_everybody_who_waits_gets_an_answer_before_the_server_ends() -> None:
    config = StackConfig(str(Path(__file__).with_name("tools.py")), settings={"MCPTASKS_DRAIN_SECONDS": "1"})
    # The pool last: its threads end with the connections.
    with ThreadPoolExecutor(8) as pool, LocalStack(config) as stack:
        client = RawClient(stack.endpoint)
        task_id = client.create("steps", LONG)

        def send(version: str, method: str, params: JsonObject, **options: Any) -> Future[McpAnswer]:
            ask: Callable[..., McpAnswer] = client.old if version == "old" else client.new
            return pool.submit(ask, method, params, **options)

        result = send("old", "tasks/result", {"taskId": task_id})
        stream = send("new", "subscriptions/listen", {"notifications": {"taskIds": [task_id]}})
        others = send("new", "subscriptions/listen", {"notifications": {"toolsListChanged": True}}, extension=False)
        calls = [
            send("old", "tools/call", {"name": "waited_for", "arguments": LONG}),
            send("new", "tools/call", {"name": "waited_for", "arguments": LONG}, extension=False),
            send("old", "tools/call", {"name": "steps", "arguments": LONG}),
            send("new", "tools/call", {"name": "steps", "arguments": LONG}, extension=False),
        ]
        kubectl = Kubectl(stack.kubeconfig, stack.namespace)

        def running() -> list[JsonObject]:
            return [task for task in kubectl.list("mcptasks") if task.get("status", {}).get("startedAt")]

        eventually("all tasks run", lambda: len(running()) == 3)
        assert not any(call.done() for call in (result, stream, others, *calls))
        stack.stop("server")
        assert result.result(60).error["data"] == {"reason": "Draining"}
        assert stream.result(60).result["resultType"] == others.result(60).result["resultType"] == "complete"
        assert [call.result(60).error["data"] for call in calls] == [{"reason": "Interrupted"}] * 4
        # What its callers can come back for goes on.
        phases = {task["metadata"]["name"]: task["status"]["phase"] for task in kubectl.list("mcptasks")}
        assert phases.pop(task_id) == "working"
        assert list(phases.values()) == ["cancelled", "cancelled"]
