"""Calls of clients that know no tasks, and calls that may be answered at once: over raw HTTP, in both versions."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from mcptasks import TaskConfig, TaskConfigError, TaskServer
from mcptasks.model.base import ANNOTATION_ANY_REPLICA, JsonObject
from mcptasks.model.task import Reason, TaskError
from mcptasks.settings import Settings
from tests.support.mcp import McpAnswer
from tests.support.polling import eventually
from tests.unit.protocol.conftest import Endpoint, serving

VERSIONS = ("old", "new")
BOTH = pytest.mark.parametrize("version", VERSIONS)
RESULT = {"content": [{"type": "text", "text": "42"}], "structuredContent": {"result": 42}, "isError": False}


def server() -> TaskServer[Any]:
    mcp: TaskServer[Any] = TaskServer("test", tasks=True)

    def answer(a: int) -> int:
        """Never runs in the server where the call becomes a task."""
        return a

    configs = {
        "plain": TaskConfig(),
        "waits": TaskConfig(without_tasks="wait"),
        "only_waits": TaskConfig(mode="required", without_tasks="wait"),
        "refuses": TaskConfig(without_tasks="refuse"),
        "required": TaskConfig(mode="required"),
        "quick": TaskConfig(answer_within=30, without_tasks="inline"),
        "impatient": TaskConfig(answer_within=0.2, immediate_response="It has started."),
    }
    for name, config in configs.items():
        mcp.add_tool(answer, name, task=config)
    return mcp


@pytest.fixture(scope="module")
def served() -> Iterator[Endpoint]:
    with serving(Settings(), server()) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def with_tools() -> Iterator[Endpoint]:
    with serving(Settings(task_tools=True), server()) as endpoint:
        yield endpoint


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def plain(endpoint: Endpoint, version: str, tool: str, arguments: JsonObject, **meta: Any) -> McpAnswer:
    """A call of a client that knows no tasks."""
    params: JsonObject = {"name": tool, "arguments": arguments} | ({"_meta": meta} if meta else {})
    return (
        endpoint.old("tools/call", params) if version == "old" else endpoint.new("tools/call", params, extension=False)
    )


def calling(pool: ThreadPoolExecutor, endpoint: Endpoint, *call: Any, **meta: Any) -> tuple[Future[McpAnswer], str]:
    """A plain call that waits, and the id of its task."""
    known = set(endpoint.tasks.items)
    waiting = pool.submit(plain, endpoint, *call, **meta)
    (task_id,) = eventually("the call is a task", lambda: set(endpoint.tasks.items) - known)
    return waiting, task_id


@BOTH
def test_an_optional_tool_runs_inline(served: Endpoint, version: str) -> None:
    writes = served.tasks.writes
    assert plain(served, version, "plain", {"a": 1}).result["structuredContent"] == {"result": 1}
    assert served.tasks.writes == writes


@BOTH
@pytest.mark.parametrize("tool", ["waits", "only_waits"])
def test_a_tool_can_run_as_a_task_while_the_call_waits(
    served: Endpoint, pool: ThreadPoolExecutor, version: str, tool: str
) -> None:
    waiting, task_id = calling(pool, served, version, tool, {"a": 1}, progressToken="p")
    status = {"message": "25% (1/4)", "progress": {"current": 1, "total": 4, "display": "25% (1/4)"}}
    served.change(task_id, lambda _task: {"status": status})
    eventually("the call follows its task", lambda: served.service.cache._waiters)
    served.complete(task_id, RESULT)
    *notifications, message = waiting.result(30).messages
    assert {key: message["result"][key] for key in RESULT} == RESULT
    assert "io.modelcontextprotocol/related-task" not in message["result"].get("_meta", {})
    progress = [n["params"] for n in notifications if n["method"] == "notifications/progress"]
    assert all(p == {"progressToken": "p", "progress": 1, "total": 4} for p in progress)


@BOTH
def test_progress_reaches_a_waiting_call_on_its_own_stream(
    served: Endpoint, pool: ThreadPoolExecutor, version: str
) -> None:
    waiting, task_id = calling(pool, served, version, "waits", {"a": 1}, progressToken="p")
    seen = 0

    def watched() -> bool:
        nonlocal seen
        seen += 1
        served.change(task_id, lambda _task: {"status": {"progress": {"current": seen}}})
        return served.service.cache.waiting > 0 and seen > 20

    eventually("the call follows its task", watched)
    served.complete(task_id, RESULT)
    methods = [message.get("method") for message in waiting.result(30).messages]
    assert "notifications/progress" in methods
    assert "notifications/tasks/status" not in methods


@BOTH
def test_a_waiting_call_ends_as_the_tool_itself_would_have(
    served: Endpoint, pool: ThreadPoolExecutor, version: str
) -> None:
    waiting, task_id = calling(pool, served, version, "waits", {"a": 1})
    error = TaskError(code=-32050, message="not like this", data_text='{"why":"because"}')
    served.fail(task_id, Reason.REQUEST_ERROR, "not like this", error)
    assert waiting.result(30).error == {"code": -32050, "message": "not like this", "data": {"why": "because"}}


@BOTH
def test_a_waiting_call_that_is_given_up_cancels_its_task(
    served: Endpoint, pool: ThreadPoolExecutor, version: str
) -> None:
    impatient = replace(served, timeout=2)
    waiting, task_id = calling(pool, impatient, version, "waits", {"a": 1})
    with pytest.raises(httpx2.ReadTimeout):
        waiting.result(30)
    phase = lambda: served.tasks.items[task_id].get("status", {}).get("phase") == "cancelled"  # noqa: E731
    eventually("the task is cancelled", phase)


@BOTH
def test_with_an_idempotency_key_it_goes_on_and_the_same_call_finds_it(
    served: Endpoint, pool: ThreadPoolExecutor, version: str
) -> None:
    meta = {"mcptasks.dev/idempotency-key": f"{version}-0123456789-0123456789-0123456789"}
    impatient = replace(served, timeout=2)
    waiting, task_id = calling(pool, impatient, version, "waits", {"a": 1}, **meta)
    with pytest.raises(httpx2.ReadTimeout):
        waiting.result(30)
    served.complete(task_id, RESULT)
    again = plain(served, version, "waits", {"a": 1}, **meta).result
    assert again["structuredContent"] == {"result": 42}


@BOTH
@pytest.mark.parametrize("tool", ["refuses", "required"])
def test_a_tool_can_refuse_them(served: Endpoint, version: str, tool: str) -> None:
    error = plain(served, version, tool, {"a": 1}).error
    assert error["code"] == (-32601 if version == "old" else -32021)
    assert error["message"].startswith(f"Tool '{tool}' runs only as a task: ")


@BOTH
def test_arguments_that_do_not_fit_are_refused_as_inline(served: Endpoint, version: str) -> None:
    writes = served.tasks.writes
    result = plain(served, version, "waits", {"a": "x"}).result
    assert result["isError"]
    assert "Error executing tool waits" in result["content"][0]["text"]
    assert served.tasks.writes == writes


def test_the_listing_says_what_a_tool_takes(served: Endpoint, with_tools: Endpoint) -> None:
    support = {t["name"]: t["execution"]["taskSupport"] for t in served.old("tools/list").result["tools"]}
    assert {name for name, value in support.items() if value == "required"} == {"refuses", "required"}
    tools = {t["name"]: t for t in with_tools.old("tools/list").result["tools"]}
    assert "outputSchema" not in tools["plain"], "its plain answer is the id of a task"
    assert "outputSchema" in tools["waits"]
    assert tools["required"]["execution"]["taskSupport"] == "optional"
    assert "execution" not in tools["task_result"]
    assert not {"task_status", "task_result", "task_cancel"} & set(support)


class TestAnsweringAtOnce:
    def test_a_task_that_ends_in_time_is_answered_with_its_result(
        self, served: Endpoint, pool: ThreadPoolExecutor
    ) -> None:
        known = set(served.tasks.items)
        waiting = pool.submit(served.new, "tools/call", {"name": "quick", "arguments": {"a": 1}})
        (task_id,) = eventually("the call is a task", lambda: set(served.tasks.items) - known)
        served.complete(task_id, RESULT)
        result = waiting.result(30).result
        assert result["resultType"] == "complete"
        assert result["structuredContent"] == {"result": 42}

    def test_one_that_does_not_is_answered_with_the_task(self, served: Endpoint) -> None:
        result = served.new("tools/call", {"name": "impatient", "arguments": {"a": 1}}).result
        assert (result["resultType"], result["status"]) == ("task", "working")

    def test_who_asks_for_a_task_gets_one_at_once(self, served: Endpoint) -> None:
        answer = served.old("tools/call", {"name": "quick", "arguments": {"a": 1}, "task": {}}).result
        assert answer["task"]["status"] == "working"
        assert "_meta" not in answer

    def test_hosts_are_told_what_to_tell_the_model(self, served: Endpoint) -> None:
        answer = served.old("tools/call", {"name": "impatient", "arguments": {"a": 1}, "task": {}}).result
        assert answer["_meta"] == {"io.modelcontextprotocol/model-immediate-response": "It has started."}


class TestTaskTools:
    @staticmethod
    def call(endpoint: Endpoint, version: str, tool: str, **arguments: Any) -> JsonObject:
        return plain(endpoint, version, tool, arguments).result

    @BOTH
    @pytest.mark.parametrize("tool", ["plain", "required"])
    def test_a_client_with_a_hard_timeout_gets_there(self, with_tools: Endpoint, version: str, tool: str) -> None:
        submitted = self.call(with_tools, version, tool, a=1)
        task_id = submitted["structuredContent"]["taskId"]
        assert task_id in submitted["content"][0]["text"]
        assert "task_result" in submitted["content"][0]["text"]

        status = self.call(with_tools, version, "task_status", task_id=task_id)
        assert "is working" in status["content"][0]["text"]
        early = self.call(with_tools, version, "task_result", task_id=task_id, wait_seconds=0.1)
        assert not early["isError"]
        assert "Call task_result again" in early["content"][0]["text"]

        with_tools.complete(task_id, RESULT)
        result = self.call(with_tools, version, "task_result", task_id=task_id)
        assert {key: result[key] for key in RESULT} == RESULT

    @BOTH
    def test_a_task_can_be_cancelled(self, with_tools: Endpoint, version: str) -> None:
        task_id = self.call(with_tools, version, "plain", a=1)["structuredContent"]["taskId"]
        assert "is cancelled" in self.call(with_tools, version, "task_cancel", task_id=task_id)["content"][0]["text"]
        again = self.call(with_tools, version, "task_cancel", task_id=task_id)
        assert again["isError"]
        assert "already in terminal status" in again["content"][0]["text"]
        result = self.call(with_tools, version, "task_result", task_id=task_id)
        assert result["isError"]

    def test_a_failure_says_why(self, with_tools: Endpoint) -> None:
        task_id = self.call(with_tools, "old", "plain", a=1)["structuredContent"]["taskId"]
        with_tools.fail(task_id, Reason.OOM_KILLED, "The process needed more memory than its limit")
        result = self.call(with_tools, "old", "task_result", task_id=task_id)
        assert result["isError"]
        assert "more memory than its limit" in result["content"][0]["text"]

    @pytest.mark.parametrize("tool", ["task_status", "task_result", "task_cancel"])
    def test_an_unknown_id_is_said_to_be_one(self, with_tools: Endpoint, tool: str) -> None:
        result = self.call(with_tools, "new", tool, task_id="report-aaaaaaaaaaaaaaaaaaaaaaaaaa")
        assert result["isError"]
        assert "Task not found" in result["content"][0]["text"]

    @BOTH
    def test_clients_with_apps_are_told_of_the_page_that_shows_a_task(self, with_tools: Endpoint, version: str) -> None:
        request = with_tools.old if version == "old" else with_tools.new
        tools = {tool["name"]: tool.get("_meta", {}).get("ui") for tool in request("tools/list").result["tools"]}
        page, shown = {"resourceUri": "ui://mcptasks/task"}, {"plain", "required", "impatient", "task_status"}
        assert {name for name, ui in tools.items() if ui == page} == shown
        assert {name for name, ui in tools.items() if ui is None} == {*tools} - shown
        uri = page["resourceUri"]
        (content,) = request("resources/read", {"uri": uri}, mcp_name=uri).result["contents"]
        assert content["mimeType"] == "text/html;profile=mcp-app"
        assert content["text"].startswith("<!DOCTYPE html>")

    def test_a_tool_with_a_page_of_its_own_keeps_it(self) -> None:
        mcp = server()
        own = {"ui": {"resourceUri": "ui://mine/page"}, "mine": 1}
        mcp.add_tool(lambda a: a, "drawn", meta=own, task=True)
        with serving(Settings(task_tools=True), mcp) as endpoint:
            tools = {tool["name"]: tool for tool in endpoint.old("tools/list").result["tools"]}
        assert tools["drawn"]["_meta"] == own

    def test_without_the_task_tools_there_is_no_page(self, served: Endpoint) -> None:
        assert served.old("resources/list").result["resources"] == []
        assert not any("ui" in tool.get("_meta", {}) for tool in served.old("tools/list").result["tools"])

    def test_a_tool_of_the_same_name_is_told_to_be_renamed(self) -> None:
        mcp = server()
        mcp.add_tool(lambda task_id: task_id, "task_status")
        with pytest.raises(TaskConfigError, match="rename yours"), serving(Settings(task_tools=True), mcp):
            pytest.fail("it must not start")


class BusyWorkers:
    """Workers run all templates, and four tasks are ahead of each."""

    def is_warm(self, template: str) -> bool:
        return template == "default"

    def ahead_of(self, template: str, uid: str) -> int | None:
        return 4

    def has_room(self, template: str) -> bool:
        return False


@pytest.fixture(scope="module")
def with_workers() -> Iterator[Endpoint]:
    with serving(Settings(), server()) as endpoint:
        endpoint.service.workers = BusyWorkers()
        yield endpoint


@BOTH
@pytest.mark.parametrize("tool", ["plain", "required"])
def test_a_call_waits_for_its_task_where_workers_are_ready_and_nobody_has_chosen_otherwise(
    with_workers: Endpoint, pool: ThreadPoolExecutor, version: str, tool: str
) -> None:
    waiting, task_id = calling(pool, with_workers, version, tool, {"a": 42})
    with_workers.complete(task_id, RESULT)
    assert waiting.result(20).result["structuredContent"] == {"result": 42}


@BOTH
def test_what_was_chosen_holds_with_workers_too(with_workers: Endpoint, version: str) -> None:
    assert plain(with_workers, version, "quick", {"a": 7}).result["structuredContent"] == {"result": 7}
    assert plain(with_workers, version, "refuses", {"a": 7}).error["code"] in (-32601, -32021)


def test_a_task_that_no_worker_of_this_replica_would_get_is_marked_for_the_others(with_workers: Endpoint) -> None:
    created = with_workers.old("tools/call", {"name": "plain", "arguments": {"a": 1}, "task": {}}).result["task"]
    (item,) = (i for i in with_workers.service.cache.values() if i["metadata"]["name"] == created["taskId"])
    assert item["metadata"]["annotations"][ANNOTATION_ANY_REPLICA] == "true"


def test_who_asks_for_a_task_that_waits_is_told_how_many_are_ahead(with_workers: Endpoint) -> None:
    created = with_workers.old("tools/call", {"name": "plain", "arguments": {"a": 1}, "task": {}}).result["task"]
    assert created["statusMessage"] == "Waits for a worker: 4 tasks are ahead"
    read = with_workers.old("tasks/get", {"taskId": created["taskId"]}).result
    assert read["statusMessage"] == created["statusMessage"]
