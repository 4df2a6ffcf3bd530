"""Tasks over protocol version 2026-07-28, as raw HTTP."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from mcptasks.model.task import Reason, TaskError
from tests.support.mcp import EXTENSION
from tests.unit.protocol.conftest import Endpoint

CALL = {"name": "add", "arguments": {"a": 1, "b": 2}}


def create(endpoint: Endpoint) -> str:
    return str(endpoint.new("tools/call", CALL).result["taskId"])


def test_discover_offers_the_extension_with_empty_settings_and_no_legacy_tasks(endpoint: Endpoint) -> None:
    capabilities = endpoint.new("server/discover").result["capabilities"]
    assert capabilities["extensions"] == {EXTENSION: {}}
    assert "tasks" not in capabilities


def test_a_declaring_request_gets_a_flat_task(endpoint: Endpoint) -> None:
    result = endpoint.new("tools/call", CALL).result
    assert result["resultType"] == "task"
    assert result["status"] == "working"
    assert (result["ttlMs"], result["pollIntervalMs"]) == (3_600_000, 1000)
    assert not {"ttl", "pollInterval", "task", "result", "error", "inputRequests", "requestState"} & set(result)


def test_a_request_that_does_not_declare_the_extension_runs_inline(endpoint: Endpoint) -> None:
    result = endpoint.new("tools/call", CALL, extension=False).result
    assert (result["resultType"], result["structuredContent"]) == ("complete", {"result": 3})


def test_a_stray_task_parameter_is_ignored(endpoint: Endpoint) -> None:
    result = endpoint.new("tools/call", {**CALL, "name": "never", "arguments": {"a": 1}, "task": {"ttl": 1}}).result
    assert result["resultType"] == "complete"


def test_wrong_arguments_are_the_tools_own_error(endpoint: Endpoint) -> None:
    writes = endpoint.tasks.writes
    wrong = {"name": "add", "arguments": {"a": "x"}}
    declared, plain = endpoint.new("tools/call", wrong), endpoint.new("tools/call", wrong, extension=False)
    assert declared.result == plain.result
    assert declared.result["isError"] is True
    assert endpoint.tasks.writes == writes


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": "must", "arguments": {"a": 1}}),
        ("tasks/get", {"taskId": "x"}),
        ("tasks/cancel", {"taskId": "x"}),
        ("tasks/update", {"taskId": "x", "inputResponses": {}}),
    ],
)
def test_the_extension_is_required_on_each_request(endpoint: Endpoint, method: str, params: dict[str, Any]) -> None:
    answer = endpoint.new(method, params, extension=False)
    assert answer.status == 400
    assert answer.error["code"] == -32021
    assert answer.error["data"] == {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}


@pytest.mark.parametrize("method", ["tasks/result", "tasks/list"])
def test_methods_of_the_older_version_do_not_exist(endpoint: Endpoint, method: str) -> None:
    answer = endpoint.new(method, {"taskId": "x"})
    assert (answer.status, answer.error["code"]) == (404, -32601)


@pytest.mark.parametrize(
    ("method", "extra"), [("tasks/get", {}), ("tasks/cancel", {}), ("tasks/update", {"inputResponses": {}})]
)
def test_unknown_ids_give_one_and_the_same_error(endpoint: Endpoint, method: str, extra: dict[str, Any]) -> None:
    error = endpoint.new(method, {"taskId": "unknown", **extra}).error
    assert error == {"code": -32602, "message": "Task not found: the id is unknown or the task has expired"}


@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel"])
def test_a_wrong_routing_header_is_refused_and_a_missing_one_tolerated(endpoint: Endpoint, method: str) -> None:
    task_id = create(endpoint)
    wrong = endpoint.new(method, {"taskId": task_id}, mcp_name="other")
    assert (wrong.status, wrong.error["code"]) == (400, -32020)
    wrapped = "=?base64?" + base64.b64encode(task_id.encode()).decode() + "?="
    assert endpoint.new(method, {"taskId": task_id}, mcp_name=wrapped).result["resultType"] == "complete"
    assert endpoint.new(method, {"taskId": task_id}, mcp_name=task_id).result["resultType"] == "complete"
    assert endpoint.new(method, {"taskId": task_id}).result["resultType"] == "complete"


def test_a_completed_task_has_its_result_inlined(endpoint: Endpoint) -> None:
    task_id = create(endpoint)
    endpoint.complete(task_id)
    task = endpoint.new("tasks/get", {"taskId": task_id}).result
    assert (task["resultType"], task["status"]) == ("complete", "completed")
    assert task["result"]["resultType"] == "complete"
    assert task["result"]["content"] == [{"type": "text", "text": "3"}]
    assert task["result"]["structuredContent"] == {"result": 3}
    assert "io.modelcontextprotocol/related-task" not in task["result"].get("_meta", {})


def test_a_tools_own_error_is_a_completed_task(endpoint: Endpoint) -> None:
    task_id = create(endpoint)
    endpoint.complete(task_id, {"content": [{"type": "text", "text": "it broke"}], "isError": True}, is_error=True)
    task = endpoint.new("tasks/get", {"taskId": task_id}).result
    assert task["status"] == "completed"
    assert task["result"]["isError"] is True
    assert "error" not in task


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (TaskError(code=-32050, message="no"), {"code": -32050, "message": "no"}),
        (None, {"code": -32603, "message": "no", "data": {"reason": "Evicted"}}),
    ],
)
def test_a_failed_task_has_its_error_inlined(
    endpoint: Endpoint, own: TaskError | None, expected: dict[str, Any]
) -> None:
    task_id = create(endpoint)
    endpoint.fail(task_id, Reason.EVICTED, "no", own)
    task = endpoint.new("tasks/get", {"taskId": task_id}).result
    assert (task["status"], task["error"]) == ("failed", expected)
    assert "result" not in task


def test_cancel_is_acknowledged_and_nothing_else_also_when_it_comes_too_late(endpoint: Endpoint) -> None:
    task_id = create(endpoint)
    for _ in range(2):
        result = endpoint.new("tasks/cancel", {"taskId": task_id}).result
        assert {key for key in result if key != "_meta"} == {"resultType"}
    assert endpoint.new("tasks/get", {"taskId": task_id}).result["status"] == "cancelled"


def test_tasks_of_one_version_can_be_read_with_the_other(endpoint: Endpoint) -> None:
    old, new = endpoint.make(), create(endpoint)
    endpoint.complete(old)
    endpoint.complete(new)
    assert endpoint.new("tasks/get", {"taskId": old}).result["result"]["structuredContent"] == {"result": 3}
    assert endpoint.old("tasks/result", {"taskId": new}).result["structuredContent"] == {"result": 3}
