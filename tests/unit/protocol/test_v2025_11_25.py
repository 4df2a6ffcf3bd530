"""Tasks over protocol version 2025-11-25, as raw HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx2
import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.task import McpTask, Reason, TaskError
from tests.support.mcp import ACCEPT, McpAnswer
from tests.support.polling import eventually
from tests.unit.protocol.conftest import Endpoint

RELATED = "io.modelcontextprotocol/related-task"
CALL = {"name": "add", "arguments": {"a": 1, "b": 2}}


def test_initialize_announces_tasks_without_list_where_callers_cannot_be_told_apart(
    endpoint: Endpoint, single_user_endpoint: Endpoint
) -> None:
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    offered: dict[str, Any] = {"cancel": {}, "requests": {"tools": {"call": {}}}}
    assert endpoint.old("initialize", hello).result["capabilities"]["tasks"] == offered
    listing = single_user_endpoint.old("initialize", hello).result["capabilities"]["tasks"]
    assert listing == {"list": {}, **offered}


@pytest.mark.parametrize("version", ["2025-06-18", "2025-03-26", "2024-11-05"])
def test_older_versions_never_hear_of_tasks(endpoint: Endpoint, version: str) -> None:
    hello = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    result = endpoint.post("initialize", hello, {}).result
    assert result["protocolVersion"] == version
    assert "tasks" not in result["capabilities"]
    inline = endpoint.post("tools/call", {**CALL, "task": {}}, {"mcp-protocol-version": version})
    assert inline.result["content"][0]["text"] == "3"


def test_tools_say_whether_they_run_as_tasks(endpoint: Endpoint) -> None:
    tools = {tool["name"]: tool.get("execution") for tool in endpoint.old("tools/list").result["tools"]}
    assert tools == {
        "add": {"taskSupport": "optional"},
        "ask": {"taskSupport": "optional"},
        "must": {"taskSupport": "required"},
        "never": None,
    }


def test_a_call_without_task_runs_inline(endpoint: Endpoint) -> None:
    writes = endpoint.tasks.writes
    assert endpoint.old("tools/call", CALL).result["structuredContent"] == {"result": 3}
    assert endpoint.tasks.writes == writes


def test_an_augmented_call_is_a_working_task(endpoint: Endpoint) -> None:
    task = endpoint.old("tools/call", {**CALL, "task": {"ttl": 60_000}}).result["task"]
    assert (task["status"], task["ttl"], task["pollInterval"]) == ("working", 60_000, 1000)
    assert endpoint.old("tasks/get", {"taskId": task["taskId"]}).result == task
    stored = endpoint.tasks.items[task["taskId"]]
    assert stored["spec"]["arguments"] == {"a": 1, "b": 2}
    assert stored["spec"]["request"]["protocolVersion"] == "2025-11-25"


@pytest.mark.parametrize(
    ("asked", "given"), [({}, 3_600_000), ({"ttl": None}, 3_600_000), ({"ttl": 10**12}, 604_800_000)]
)
def test_the_server_decides_the_ttl(endpoint: Endpoint, asked: dict[str, Any], given: int) -> None:
    assert endpoint.old("tools/call", {**CALL, "task": asked}).result["task"]["ttl"] == given


def test_a_ttl_of_zero_still_leaves_time_to_read_the_result(endpoint: Endpoint) -> None:
    assert endpoint.old("tools/call", {**CALL, "task": {"ttl": 0}}).result["task"]["ttl"] >= 30_000


def test_the_tools_own_ttl_and_poll_interval_are_used(endpoint: Endpoint) -> None:
    task = endpoint.old("tools/call", {"name": "must", "arguments": {"a": 1}, "task": {}}).result["task"]
    assert (task["ttl"], task["pollInterval"]) == (90_000, 500)


@pytest.mark.parametrize("ttl", ["60000", 1.5, -1, True, [], {}])
def test_a_ttl_that_is_not_one_is_refused_before_anything_exists(endpoint: Endpoint, ttl: Any) -> None:
    writes = endpoint.tasks.writes
    error = endpoint.old("tools/call", {**CALL, "task": {"ttl": ttl}}).error
    assert error["code"] == -32602
    assert "ttl" in error["message"]
    assert "milliseconds" in error["message"]
    assert endpoint.tasks.writes == writes


@pytest.mark.parametrize(
    ("params", "code", "text"),
    [
        ({"name": "never", "arguments": {"a": 1}, "task": {}}, -32601, "does not run as a task"),
        ({"name": "must", "arguments": {"a": 1}}, -32601, "runs only as a task"),
        ({"name": "nothing", "arguments": {}, "task": {}}, -32602, "Unknown tool: nothing"),
        ({"name": "add", "arguments": {"a": "x"}, "task": {}}, -32602, "Invalid arguments for tool add"),
        ({"name": "add", "arguments": {"a": 1, "b": 2, "c": 3}, "task": {}}, -32602, "Tool 'add' has no 'c'"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_exists(
    endpoint: Endpoint, params: dict[str, Any], code: int, text: str
) -> None:
    writes = endpoint.tasks.writes
    error = endpoint.old("tools/call", params).error
    assert error["code"] == code
    assert text in error["message"]
    assert endpoint.tasks.writes == writes


@pytest.mark.parametrize("method", ["tasks/get", "tasks/result", "tasks/cancel"])
@pytest.mark.parametrize("task_id", ["unknown", "", "../secrets/x", "A B", "x" * 400, "é"])
def test_unknown_ids_give_one_and_the_same_error(endpoint: Endpoint, method: str, task_id: str) -> None:
    error = endpoint.old(method, {"taskId": task_id}).error
    assert error == {"code": -32602, "message": "Task not found: the id is unknown or the task has expired"}


@pytest.mark.parametrize("method", ["tasks/get", "tasks/result", "tasks/cancel"])
@pytest.mark.parametrize("params", [{}, {"taskId": None}, {"taskId": 5}, {"taskId": ["x"]}])
def test_a_missing_id_is_an_invalid_parameter(endpoint: Endpoint, method: str, params: dict[str, Any]) -> None:
    assert endpoint.old(method, params).error["code"] == -32602


@contextmanager
def waiting_result(endpoint: Endpoint, task_id: str) -> Iterator[Future[McpAnswer]]:
    """A `tasks/result` that waits for the task."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(endpoint.old, "tasks/result", {"taskId": task_id})
        eventually("the call waits", lambda: endpoint.service.cache.waiting, every=0.01)
        yield answer


def test_the_result_waits_for_the_end_and_tells_of_changes(endpoint: Endpoint) -> None:
    task_id = endpoint.make()
    with waiting_result(endpoint, task_id) as waiting:
        endpoint.change(task_id, lambda _task: {"status": {"message": "half way"}})
        endpoint.complete(task_id)
        answer = waiting.result(30)
    assert answer.result["content"] == [{"type": "text", "text": "3"}]
    assert answer.result["_meta"][RELATED] == {"taskId": task_id}
    notified = [message["method"] for message in answer.messages[:-1]]
    assert set(notified) <= {"notifications/tasks/status"}


def _progress_patch(report: JsonObject, _task: McpTask) -> JsonObject:
    return {"status": {"progress": report}}


def test_a_told_change_has_its_numbers_with_it(endpoint: Endpoint) -> None:
    task_id = endpoint.make()
    with waiting_result(endpoint, task_id) as waiting:
        for current in range(1, 21):
            report = {"current": current, "total": 40, "message": f"step {current}"}
            endpoint.change(task_id, partial(_progress_patch, report))
            time.sleep(0.02)
        endpoint.complete(task_id)
        answer = waiting.result(30)
    told = [message["params"] for message in answer.messages[:-1] if message["params"]["status"] == "working"]
    assert told
    for params in told:
        numbers = params["_meta"]["mcptasks.dev/progress"]
        assert params["statusMessage"] == f"step {numbers['current']:g}"


def test_a_tools_own_error_is_a_failed_task_whose_result_can_be_read(endpoint: Endpoint) -> None:
    task_id = endpoint.make()
    endpoint.complete(task_id, {"content": [{"type": "text", "text": "it broke"}], "isError": True}, is_error=True)
    task = endpoint.old("tasks/get", {"taskId": task_id}).result
    assert (task["status"], task["statusMessage"]) == ("failed", "it broke")
    assert endpoint.old("tasks/result", {"taskId": task_id}).result["isError"] is True


def test_a_json_rpc_error_comes_back_as_it_was(endpoint: Endpoint) -> None:
    task_id = endpoint.make()
    own = TaskError(code=-32042, message="open this", data_text='{"url": "https://example.org"}')
    endpoint.fail(task_id, Reason.REQUEST_ERROR, "open this", own)
    error = endpoint.old("tasks/result", {"taskId": task_id}).error
    assert error == {"code": -32042, "message": "open this", "data": {"url": "https://example.org"}}


def test_a_failure_of_the_cluster_names_its_reason(endpoint: Endpoint) -> None:
    task_id = endpoint.make()
    endpoint.fail(task_id, Reason.OOM_KILLED, "The process used more memory than its limit of 64Mi")
    error = endpoint.old("tasks/result", {"taskId": task_id}).error
    assert error["code"] == -32603
    assert error["data"] == {"reason": "OOMKilled"}
    assert "more memory" in error["message"]


def test_cancel_answers_with_the_cancelled_task_and_only_once(endpoint: Endpoint) -> None:
    task_id = endpoint.make()
    assert endpoint.old("tasks/cancel", {"taskId": task_id}).result["status"] == "cancelled"
    error = endpoint.old("tasks/cancel", {"taskId": task_id}).error
    assert error["code"] == -32602
    assert "already in terminal status 'cancelled'" in error["message"]
    assert endpoint.old("tasks/get", {"taskId": task_id}).result["status"] == "cancelled"
    assert endpoint.old("tasks/result", {"taskId": task_id}).error["data"] == {"reason": "CancelledByCaller"}


def test_last_updated_moves_only_with_the_task(endpoint: Endpoint) -> None:
    task_id = endpoint.make()
    endpoint.complete(task_id)
    first = endpoint.old("tasks/get", {"taskId": task_id}).result
    assert endpoint.old("tasks/get", {"taskId": task_id}).result == first


def test_list_is_refused_without_authentication(endpoint: Endpoint) -> None:
    assert endpoint.old("tasks/list").error["code"] == -32601


def test_list_gives_every_task_once_page_by_page(single_user_endpoint: Endpoint) -> None:
    made = {single_user_endpoint.make() for _ in range(205)}
    listed: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = single_user_endpoint.old("tasks/list", cursor).result
        listed += [task["taskId"] for task in page["tasks"]]
        if "nextCursor" not in page:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert len(listed) == len(set(listed))
    assert made <= set(listed)


@pytest.mark.parametrize("cursor", ["x", "", "bm9uc2Vuc2U=", "WzEsMl0="])
def test_a_foreign_cursor_is_an_invalid_parameter(single_user_endpoint: Endpoint, cursor: str) -> None:
    assert single_user_endpoint.old("tasks/list", {"cursor": cursor}).error["code"] == -32602


def test_the_cluster_away_is_an_error_that_says_so(endpoint: Endpoint) -> None:
    from mcptasks.kube.errors import UnavailableError

    endpoint.tasks.fail_with = UnavailableError(0, "Unavailable", "secret-host:6443 refused")
    try:
        error = endpoint.old("tools/call", {**CALL, "task": {}}).error
    finally:
        endpoint.tasks.fail_with = None
    assert error["code"] == -32603
    assert "cluster is unavailable" in error["message"]
    assert "secret-host" not in error["message"]


@pytest.mark.parametrize("data", ['"\\ud800"', "[" * 5000 + "]" * 5000, "no json"], ids=lambda text: text[:9])
def test_data_of_an_error_that_nobody_could_be_told_is_left_out(endpoint: Endpoint, data: str) -> None:
    task_id = endpoint.make()
    endpoint.fail(task_id, Reason.REQUEST_ERROR, "no", TaskError(code=-32000, message="no", data_text=data))
    for error in (
        endpoint.old("tasks/result", {"taskId": task_id}).error,
        endpoint.new("tasks/get", {"taskId": task_id}).result["error"],
    ):
        assert (error["code"], error["message"], error.get("data")) == (-32000, "no", None)


def test_a_response_with_half_a_character_is_refused(endpoint: Endpoint) -> None:
    outcome = '{"error":{"code":1,"message":"\\ud800","data":"\\ud800"}}'
    body = f'{{"jsonrpc":"2.0","id":"task:{endpoint.make()}:1-1",{outcome[1:]}'
    answer = httpx2.post(endpoint.url, content=body, headers={**ACCEPT, "mcp-protocol-version": "2025-11-25"})
    assert answer.status_code == 400
