"""The main job: an MCP call becomes an McpTask, a Job, a process and a result."""

from __future__ import annotations

import time
from typing import Any

import pytest

from mcptasks.model.base import JsonObject
from tests.e2e.conftest import Deployment, Look
from tests.support.kubectl import Kubectl
from tests.support.mcp import RawClient
from tests.support.polling import eventually

VALUES: list[Any] = [
    2**70,
    "üñí ☃ \u2028 \x7f",
    None,
    [],
    [1, 1.0, 2**70, -0.5, 1e300, "", "☃", None, True, [], {}, [2**64, {"x": None}]],
    {"a": {"b": [1.0]}, "": " "},
]
"""A value of each JSON type on its own, and all that may stand in one together."""


def call_as_task(client: RawClient, tool: str, arguments: JsonObject) -> JsonObject:
    """Call with the newer version, and give the inlined result once it is there."""
    answer = client.new("tools/call", {"name": tool, "arguments": arguments}).result
    assert answer["resultType"] == "task"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        task = client.new("tasks/get", {"taskId": answer["taskId"]}).result
        if task["status"] in ("completed", "failed", "cancelled"):
            return task
        time.sleep(0.1)
    raise AssertionError(f"{task} did not end")


@pytest.mark.parametrize("tool", ["add", "add_async"])
def test_a_task_runs_in_a_pod_of_its_own_and_its_result_comes_back(client: RawClient, look: Look, tool: str) -> None:
    task_id = client.create(tool, {"a": 2, "b": 3})
    assert client.result(task_id)["structuredContent"] == {"total": 5, "terms": [2, 3]}
    status = eventually("the last condition", lambda: look.terminated(task_id) and look.status(task_id))
    assert (status["phase"], status["reason"], status["attempts"]) == ("completed", "Completed", 1)
    conditions = {condition["type"]: condition["status"] for condition in status["conditions"]}
    assert conditions == {"Succeeded": "True", "Scheduled": "True", "ResultRecorded": "True", "PodsTerminated": "True"}
    (job,) = look.jobs(task_id)
    assert job["metadata"]["name"] == task_id
    assert status["podName"] in [pod["metadata"]["name"] for pod in look.pods(task_id)]


def test_both_versions_get_the_same_result(client: RawClient) -> None:
    old = client.result(client.create("add", {"a": 1, "b": 2}))
    new = call_as_task(client, "add", {"a": 1, "b": 2})["result"]
    old.pop("_meta")
    new.pop("resultType")
    assert old == new


def test_a_task_gives_the_very_result_of_an_inline_call(client: RawClient) -> None:
    for value in VALUES:
        arguments = {"name": "echo", "arguments": {"value": value}}
        inline = client.new("tools/call", arguments, extension=False).result
        inline.pop("_meta")
        assert call_as_task(client, "echo", {"value": value})["result"] == inline, value


@pytest.mark.parametrize(
    ("tool", "arguments"), [("refuse", {"message": "not today"}), ("crash", {"message": "went wrong"})]
)
def test_a_tools_error_is_the_same_as_inline(client: RawClient, tool: str, arguments: JsonObject) -> None:
    inline = client.new("tools/call", {"name": tool, "arguments": arguments}, extension=False).result
    inline.pop("_meta")
    task = call_as_task(client, tool, arguments)
    assert task["status"] == "completed"
    assert task["result"] == inline
    assert arguments["message"] in str(task)


def test_a_json_rpc_error_is_the_same_as_inline(client: RawClient) -> None:
    inline = client.new("tools/call", {"name": "protocol_error", "arguments": {}}, extension=False).error
    assert call_as_task(client, "protocol_error", {})["error"] == inline
    task_id = client.create("protocol_error")
    assert client.old("tasks/result", {"taskId": task_id}).error == inline


def test_progress_reaches_the_client_and_kubectl(client: RawClient, kubectl: Kubectl) -> None:
    task_id = client.create("nap", {"seconds": 6, "steps": 3})
    message = eventually("progress", lambda: "step 1 of 3" in client.get(task_id).get("statusMessage", ""), 30)
    assert message
    assert "33% (1/3)" in kubectl.run("get", "mcptask", task_id)
    client.cancel(task_id)


def test_synchronous_tools_run_in_the_main_thread(client: RawClient, kubectl: Kubectl, look: Look) -> None:
    task_id = client.create("nap", {"seconds": 0.1})
    client.wait(task_id)
    assert "in MainThread" in kubectl.run("logs", look.status(task_id)["podName"])


def test_a_large_result_takes_the_way_through_the_result_store(client: RawClient, look: Look) -> None:
    size = 1024 * 1024
    task_id = client.create("big", {"size": size}, ttl=600_000)
    assert client.result(task_id)["content"] == [{"type": "text", "text": "x" * size}]
    record = look.status(task_id)["result"]
    assert record["ref"]
    assert "text" not in record


def test_a_result_beyond_the_limit_is_a_clear_failure(client: RawClient) -> None:
    task = client.wait(client.create("big", {"size": 5 * 1024 * 1024}))
    assert task["status"] == "failed"
    assert "limit" in task["statusMessage"]
    assert "MiB" in task["statusMessage"]


def test_a_result_that_json_cannot_say_is_a_clear_failure(client: RawClient, look: Look) -> None:
    inline = client.old("tools/call", {"name": "not_serialisable", "arguments": {}}).result
    task_id = client.create("not_serialisable")
    assert inline["isError"] is True
    assert client.result(task_id)["content"] == inline["content"]
    assert look.status(task_id)["phase"] == "failed"


def test_a_tool_that_prints_a_lot_does_not_mind(client: RawClient) -> None:
    assert client.result(client.create("chatter", {"lines": 50_000}))["structuredContent"] == {"result": 50_000}


def test_a_task_written_by_hand_runs(kubectl: Kubectl, client: RawClient, deployment: Deployment) -> None:
    name = "by-hand"
    kubectl.run("delete", "mcptask", name, "--ignore-not-found")
    kubectl.apply(
        {
            "apiVersion": "mcptasks.dev/v1alpha1",
            "kind": "McpTask",
            "metadata": {"name": name, "namespace": deployment.namespace},
            "spec": {"component": {"name": "add"}, "arguments": {"a": 20, "b": 22}},
        }
    )
    phase = eventually("the task ends", lambda: (kubectl.get("mcptask", name).get("status") or {}).get("finishedAt"))
    assert phase
    status = kubectl.get("mcptask", name)["status"]
    assert status["phase"] == "completed"
    assert '"total":42' in status["result"]["text"].replace(" ", "")
    assert client.get(name)["status"] == "completed"
    kubectl.run("delete", "mcptask", name)
