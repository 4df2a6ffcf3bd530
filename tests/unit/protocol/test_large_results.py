"""Results that go to the client as they are stored: over raw HTTP, in both versions."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httpx2
import pytest

from mcptasks import TaskConfig, TaskServer
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import Ending
from mcptasks.model.task import Phase, Reason, ResultRecord
from mcptasks.settings import KIB, Settings
from mcptasks.tasks.byte_budget import BUDGET_SECONDS
from tests.support.mcp import ACCEPT, EXTENSION, NEW, OLD
from tests.support.polling import eventually
from tests.unit.protocol.conftest import Endpoint, serving

TEXT = 3 * 'é\x7f\U0001d11e\\"/\u2028 '
VALUES: JsonObject = {"rows": [{"n": n, "x": n / 7, "t": TEXT, "none": None, "e": {}} for n in range(3000)]}
LARGE: JsonObject = {"content": [{"type": "text", "text": "é" * 9}], "structuredContent": VALUES, "isError": False}


def server() -> TaskServer[Any]:
    mcp: TaskServer[Any] = TaskServer("test", tasks=True)

    def large() -> dict[str, Any]:
        return VALUES

    mcp.add_tool(large, "large", task=TaskConfig(without_tasks="inline"), structured_output=True)
    mcp.add_tool(large, "waits", task=TaskConfig(without_tasks="wait"), structured_output=True)

    @mcp.prompt()
    def ask() -> str:
        return "x"

    @mcp.resource("data://all")
    def everything() -> str:
        return "x"

    return mcp


@pytest.fixture(scope="module")
def served() -> Iterator[Endpoint]:
    with serving(Settings(task_tools=True), server()) as endpoint:
        yield endpoint


def complete(endpoint: Endpoint, task_id: str, text: str) -> None:
    data = text.encode()
    record = ResultRecord(text=text, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    endpoint.change(task_id, Ending(Phase.COMPLETED, Reason.COMPLETED, "done", result=record))


def completed(endpoint: Endpoint, result: JsonObject = LARGE) -> str:
    task_id = endpoint.create("large")
    complete(endpoint, task_id, json.dumps(result, ensure_ascii=False, separators=(",", ":")))
    return task_id


def wire(endpoint: Endpoint, version: str, method: str, params: JsonObject) -> httpx2.Response:
    meta: JsonObject = {
        "io.modelcontextprotocol/protocolVersion": NEW,
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}},
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
    }
    params = params if version == OLD else {**params, "_meta": meta}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    headers = ACCEPT | {"mcp-protocol-version": version, "mcp-method": method}
    return endpoint.http.post(endpoint.url, json=body, headers=headers, timeout=30)


def structured(body: bytes) -> bytes:
    """The bytes of the structured content in an answer."""
    start = body.index(b'"structuredContent":') + len(b'"structuredContent":')
    end = json.JSONDecoder().raw_decode(body[start:].decode())[1]
    return body[start:].decode()[:end].encode()


@pytest.mark.parametrize(("version", "method"), [(OLD, "tasks/result"), (NEW, "tasks/get")])
def test_a_large_result_is_byte_for_byte_the_inline_calls(served: Endpoint, version: str, method: str) -> None:
    task_id = completed(served)
    answer = wire(served, version, method, {"taskId": task_id})
    inline = served.post("tools/call", {"name": "large", "arguments": {}}, {"mcp-protocol-version": OLD})
    assert answer.status_code == HTTPStatus.OK
    assert json.loads(structured(answer.content)) == VALUES == inline.result["structuredContent"]
    dumps = json.dumps(VALUES, ensure_ascii=version == NEW, separators=(",", ":"))
    assert structured(answer.content) == dumps.encode()


def test_the_answer_has_all_else_that_it_has_for_a_small_one(served: Endpoint) -> None:
    task_id = completed(served)
    result = served.old("tasks/result", {"taskId": task_id}).result
    assert result["_meta"]["io.modelcontextprotocol/related-task"] == {"taskId": task_id}
    assert {key: result[key] for key in LARGE} == LARGE
    new = served.new("tasks/get", {"taskId": task_id}).result
    assert new["status"] == "completed"
    assert {key: new["result"][key] for key in LARGE} == LARGE


def test_the_task_tool_and_a_subscription_give_it_too(served: Endpoint) -> None:
    task_id = completed(served)
    for version in ("old", "new"):
        arguments = {"task_id": task_id}
        answer = getattr(served, version)("tools/call", {"name": "task_result", "arguments": arguments})
        assert answer.result["structuredContent"] == VALUES
    with served.stream("subscriptions/listen", {"notifications": {"taskIds": [task_id]}}) as stream:
        told = [message for message in stream.rest() if message.get("method") == "notifications/tasks"]
    assert told[-1]["params"]["result"]["structuredContent"] == VALUES
    eventually("nothing is taken", lambda: served.service.answer_budget.taken == 0)


BIG = TEXT * 8000
MANY_TEXTS = [{"type": "text", "text": f"{number} {TEXT}"} for number in range(4000)]
IMAGE = {"type": "image", "data": "A" * 100_000, "mimeType": "image/png"}
EMBEDDED = {"type": "resource", "resource": {"uri": "data://all", "blob": "A" * 100_000}}
TOOL = ("tools/call", {"name": "large", "arguments": {}})
PROMPT = ("prompts/get", {"name": "ask"})
RESOURCE = ("resources/read", {"uri": "data://all"})
CALLS: dict[str, tuple[tuple[str, JsonObject], JsonObject]] = {
    "text": (TOOL, {"content": [{"type": "text", "text": BIG}], "isError": False}),
    "image and text": (TOOL, {"content": [IMAGE, {"type": "text", "text": "x"}, IMAGE], "isError": False}),
    "resource in a tool's result": (TOOL, {"content": [EMBEDDED], "structuredContent": VALUES, "isError": False}),
    "many texts": (TOOL, {"content": MANY_TEXTS, "isError": True}),
    "meta": (TOOL, {"content": [], "_meta": {"a": [{}] * 40_000, "b": 1}, "isError": False}),
    "prompt": (PROMPT, {"messages": [{"role": "user", "content": {"type": "text", "text": BIG}}], "description": BIG}),
    "many messages": (PROMPT, {"messages": [{"role": "assistant", "content": each} for each in MANY_TEXTS]}),
    "resource": (RESOURCE, {"contents": [{"uri": "data://all", "text": BIG}, {"uri": "data://b", "blob": BIG}]}),
    "many contents": (RESOURCE, {"contents": [{"uri": "data://all", "text": each["text"]} for each in MANY_TEXTS]}),
}


@pytest.mark.parametrize(("call", "result"), CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("spaced", [False, True])
def test_large_results_of_every_kind_come_whole_in_both_versions(
    served: Endpoint, call: tuple[str, JsonObject], result: JsonObject, spaced: bool
) -> None:
    method, params = call
    task_id = served.old(method, {**params, "task": {}}).result["task"]["taskId"]
    complete(served, task_id, json.dumps(result, ensure_ascii=False, separators=(", ", ": ") if spaced else (",", ":")))
    old = served.old("tasks/result", {"taskId": task_id})
    assert old.result.pop("_meta") == {
        **result.get("_meta", {}),
        "io.modelcontextprotocol/related-task": {"taskId": task_id},
    }
    assert old.result == {key: value for key, value in result.items() if key != "_meta"}
    new = served.new("tasks/get", {"taskId": task_id}).result["result"]
    assert {key: new[key] for key in result} == result
    for version, name in ((OLD, "tasks/result"), (NEW, "tasks/get")):
        assert b"mcptasks-raw" not in wire(served, version, name, {"taskId": task_id}).content
    eventually("nothing is taken", lambda: served.service.answer_budget.taken == 0)


UNENDED = '{"structuredContent":{"a":[' + "1," * 70_000
OVERLONG = '{"structuredContent":{}}}' + " " * 70_000


@pytest.mark.parametrize("text", [UNENDED, OVERLONG])
def test_a_large_record_that_is_no_json_is_an_error(served: Endpoint, text: str) -> None:
    task_id = served.create("large")
    complete(served, task_id, text)
    assert "invalid result" in served.old("tasks/result", {"taskId": task_id}).error["message"]
    eventually("nothing is taken", lambda: served.service.answer_budget.taken == 0)


@pytest.mark.parametrize("version", [OLD, NEW])
def test_results_beyond_the_budget_wait_and_are_refused_with_when_to_come_back(version: str) -> None:
    with serving(Settings(max_answers_bytes=100 * KIB), server()) as endpoint:
        task_id = completed(endpoint)
        endpoint.loop.call_soon_threadsafe(endpoint.service.answer_budget._taken.update, {"somebody": 100 * KIB})
        eventually("it is taken", lambda: endpoint.service.answer_budget.taken)
        answer = wire(endpoint, version, "tasks/result" if version == OLD else "tasks/get", {"taskId": task_id})
        assert b'"TooManyAnswers"' in answer.content
        assert b'"retryAfterMs":5000' in answer.content
        if version == NEW:
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_a_subscription_waits_until_there_is_room_and_goes_on() -> None:
    with serving(Settings(max_answers_bytes=100 * KIB), server()) as endpoint:
        large, small = endpoint.create("large"), endpoint.create("large")
        budget = endpoint.service.answer_budget
        with endpoint.stream("subscriptions/listen", {"notifications": {"taskIds": [large, small]}}) as stream:
            first = [stream.next() for _ in range(3)]
            assert [message["method"] for message in first[1:]] == ["notifications/tasks"] * 2
            endpoint.loop.call_soon_threadsafe(budget._taken.update, {"somebody": 100 * KIB})
            complete(endpoint, large, json.dumps(LARGE, ensure_ascii=False, separators=(",", ":")))
            time.sleep(BUDGET_SECONDS + 0.5)
            complete(endpoint, small, '{"content":[]}')
            assert stream.next()["params"]["taskId"] == small
            endpoint.loop.call_soon_threadsafe(budget.give_back, "somebody", 100 * KIB)
            assert stream.next()["params"]["result"]["structuredContent"] == VALUES
            assert "result" in stream.rest()[-1]
        eventually("nothing is taken", lambda: budget.taken == 0)
