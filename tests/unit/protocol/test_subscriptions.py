"""Streams that tell of tasks, over protocol version 2026-07-28 and raw HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from mcp.server.mcpserver import Context

from mcptasks import TaskServer
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.questions import asked
from mcptasks.model.task import InputRequest, Reason, TaskError
from mcptasks.protocol.versions import MAX_RESULT_META
from mcptasks.settings import Settings
from tests.support.mcp import EXTENSION, McpAnswer, Stream
from tests.support.polling import eventually
from tests.unit.protocol.conftest import Endpoint, serving
from tests.unit.protocol.test_callers import UNKNOWN_ID

LISTEN = "subscriptions/listen"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
CHANGED = "notifications/tasks"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
ABLE: JsonObject = {"io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}, "elicitation": {}}}


@contextmanager
def listening(endpoint: Endpoint, *task_ids: str, **others: object) -> Iterator[Stream]:
    wanted = {"notifications": {"taskIds": list(task_ids), **others}, "_meta": ABLE}
    with endpoint.stream(LISTEN, wanted) as stream:
        yield stream


def task_of(message: JsonObject) -> JsonObject:
    """The task of a notification, as tasks/get has it."""
    assert message["method"] == CHANGED
    params = {**message["params"]}
    meta = {key: value for key, value in params.pop("_meta").items() if key != SUBSCRIPTION}
    return params | ({"_meta": meta} if meta else {})


def got(endpoint: Endpoint, task_id: str) -> JsonObject:
    """The task of tasks/get, without what is of its answer."""
    result = endpoint.new("tasks/get", {"taskId": task_id, "_meta": ABLE}).result
    meta = {key: value for key, value in result.pop("_meta").items() if not key.endswith("/serverInfo")}
    del result["resultType"]
    return result | ({"_meta": meta} if meta else {})


def asking(endpoint: Endpoint, task_id: str) -> None:
    form = {"mode": "form", "message": "sure?", "requestedSchema": {"type": "object", "properties": {}}}
    question = InputRequest(key="1-1", method="elicitation/create", params_text=json.dumps(form), message="sure?")
    endpoint.change(task_id, lambda task: asked(task, [question], utc_now()))


def progressing(endpoint: Endpoint, task_id: str) -> None:
    progress = {"current": 1, "total": 2, "message": "half"}
    endpoint.change(task_id, lambda _: {"status": {"phase": "working", "progress": progress}})


def test_the_acknowledgement_comes_first_and_names_what_was_accepted(endpoint: Endpoint) -> None:
    task_id = endpoint.make()
    with listening(endpoint, UNKNOWN_ID, task_id, "../pods", task_id) as stream:
        first = stream.next()
    assert (first["method"], first["params"]["notifications"]) == (ACKNOWLEDGED, {"taskIds": [task_id]})


def test_every_message_names_the_request_that_it_belongs_to(endpoint: Endpoint) -> None:
    task_id = endpoint.make()
    with listening(endpoint, task_id) as stream:
        messages = [stream.next(), stream.next()]
        endpoint.complete(task_id)
        *notes, answer = messages + stream.rest()
    assert {note["params"]["_meta"][SUBSCRIPTION] for note in notes} == {1}
    assert answer["id"] == answer["result"]["_meta"][SUBSCRIPTION] == 1


def test_a_task_is_told_as_it_is_and_after_each_change_complete(endpoint: Endpoint) -> None:
    task_id = endpoint.make("ask")
    with listening(endpoint, task_id) as stream:
        stream.next()
        assert task_of(stream.next()) == got(endpoint, task_id)
        for change in (progressing, asking):
            change(endpoint, task_id)
            assert task_of(stream.next()) == got(endpoint, task_id)
        endpoint.complete(task_id, {"content": [], "structuredContent": {"nothing": None, "text": "\u2028"}})
        told = task_of(stream.next())
        assert told == got(endpoint, task_id)
        assert told["result"]["structuredContent"] == {"nothing": None, "text": "\u2028"}


def test_a_failure_is_told_with_its_error(endpoint: Endpoint) -> None:
    task_id = endpoint.make()
    with listening(endpoint, task_id) as stream:
        stream.next()
        stream.next()
        endpoint.fail(task_id, Reason.REQUEST_ERROR, "no", TaskError(code=-32042, message="no", data_text='{"a":1}'))
        assert task_of(stream.next())["error"] == {"code": -32042, "message": "no", "data": {"a": 1}}


def test_a_stream_ends_with_its_answer_once_all_its_tasks_have_ended(endpoint: Endpoint) -> None:
    one, two = endpoint.make(), endpoint.make()
    endpoint.complete(one)
    with listening(endpoint, one, two) as stream:
        stream.next()
        assert {task_of(stream.next())["status"] for _ in range(2)} == {"working", "completed"}
        endpoint.complete(two)
        last, answer = stream.rest()
    assert (task_of(last)["taskId"], answer["result"]["resultType"]) == (two, "complete")


def test_where_no_task_is_accepted_the_stream_ends_at_once(endpoint: Endpoint) -> None:
    with listening(endpoint, UNKNOWN_ID) as stream:
        acknowledged, answer = stream.rest()
    assert acknowledged["params"]["notifications"] == {"taskIds": []}
    assert "result" in answer


def test_ids_of_tasks_that_are_gone_do_not_keep_the_others_from_being_told(endpoint: Endpoint) -> None:
    task_id = endpoint.make()
    gone = [f"{UNKNOWN_ID[:-2]}{one}{other}" for one in "abcdefg" for other in "abcdefg"]
    with listening(endpoint, *gone, task_id) as stream:
        first = stream.next()
    assert first["params"]["notifications"] == {"taskIds": [task_id]}


def test_so_many_tasks_and_no_more(endpoint: Endpoint) -> None:
    made = [endpoint.make() for _ in range(102)]
    with listening(endpoint, *made) as stream:
        assert stream.next()["params"]["notifications"]["taskIds"] == made[:100]


def test_tasks_need_the_extension_declared_with_the_request(endpoint: Endpoint) -> None:
    answer = endpoint.new(LISTEN, {"notifications": {"taskIds": [endpoint.make()]}}, extension=False)
    assert (answer.status, answer.error["code"]) == (400, -32021)
    assert answer.error["data"] == {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}


@pytest.mark.parametrize("ids", ["one", [1], {"a": "b"}, [None]])
def test_ids_that_are_none_are_an_invalid_parameter(endpoint: Endpoint, ids: object) -> None:
    answer = endpoint.new(LISTEN, {"notifications": {"taskIds": ids}})
    assert (answer.status, answer.error["code"]) == (400, -32602)


def test_a_size_of_results_that_is_none_is_refused_before_anything_is_told(endpoint: Endpoint) -> None:
    wanted = {"notifications": {"taskIds": [endpoint.make()]}, "_meta": {**ABLE, MAX_RESULT_META: "1"}}
    answer = endpoint.new(LISTEN, wanted)
    assert (answer.status, answer.error["code"]) == (400, -32602)
    assert MAX_RESULT_META in answer.error["message"]


def test_a_client_that_goes_away_leaves_nothing_behind(endpoint: Endpoint) -> None:
    before = endpoint.service.cache.waiting
    tasks = [endpoint.make() for _ in range(3)]
    for _ in range(5):
        with listening(endpoint, *tasks, toolsListChanged=True) as stream:
            stream.next()
            eventually("all are followed", lambda: endpoint.service.cache.waiting >= before + 3)
    eventually("nobody follows any more", lambda: endpoint.service.cache.waiting == before)


def test_one_caller_has_only_so_many_subscriptions() -> None:
    with serving(Settings(max_subscriptions_per_caller=2)) as endpoint:
        task_id = endpoint.make()
        wanted = {"notifications": {"toolsListChanged": True}}
        with listening(endpoint, task_id) as stream, endpoint.stream(LISTEN, wanted) as other:
            stream.next()
            other.next()
            error = endpoint.new(LISTEN, wanted).error
            assert error["code"] == -32603
            assert "2 subscriptions" in error["message"]
            assert error["data"] == {"reason": "TooManySubscriptions", "limit": 2}
            endpoint.complete(task_id)
            stream.rest()
            with listening(endpoint, task_id) as again:
                assert again.next()["method"] == ACKNOWLEDGED


def test_a_stream_whose_client_has_gone_away_is_not_counted() -> None:
    with serving(Settings(max_subscriptions_per_caller=1)) as endpoint:
        task_id = endpoint.make()

        def accepted() -> bool:
            with listening(endpoint, task_id) as stream:
                return stream.next().get("method") == ACKNOWLEDGED

        assert accepted()
        eventually("its place is free", accepted)


def test_the_servers_own_changes_can_be_told_on_the_same_stream() -> None:
    mcp: TaskServer[Any] = TaskServer("test", tasks=True)

    @mcp.tool()
    def add(a: int, b: int) -> int:
        return a + b

    @mcp.tool(task=False)
    async def change(ctx: Context[Any, Any]) -> None:
        await ctx.notify_tools_changed()

    with serving(Settings(), mcp) as endpoint:
        task_id = endpoint.make()
        with listening(endpoint, task_id, toolsListChanged=True) as stream:
            kinds = {"taskIds": [task_id], "toolsListChanged": True}
            assert stream.next()["params"]["notifications"] == kinds
            assert task_of(stream.next())["status"] == "working"
            endpoint.new("tools/call", {"name": "change", "arguments": {}})
            assert stream.next()["method"] == "notifications/tools/list_changed"
            endpoint.complete(task_id)
            assert task_of(stream.next())["status"] == "completed"
            endpoint.new("tools/call", {"name": "change", "arguments": {}})
            assert stream.next()["method"] == "notifications/tools/list_changed"


def test_an_author_who_wants_no_streams_has_none_about_tasks() -> None:
    mcp: TaskServer[Any] = TaskServer("test", tasks=True, subscriptions=False)
    with serving(Settings(), mcp) as endpoint:
        answer = endpoint.new(LISTEN, {"notifications": {"taskIds": [UNKNOWN_ID]}})
    assert (answer.status, answer.error["code"]) == (404, -32601)


@pytest.mark.parametrize(
    "wanted", [{"taskIds": True}, {"toolsListChanged": True}, {"taskIds": True, "toolsListChanged": True}]
)
def test_a_server_that_shuts_down_ends_its_streams_with_an_answer(wanted: JsonObject) -> None:
    with serving(Settings()) as endpoint:
        task_id = endpoint.make()
        wanted = {**wanted, **({"taskIds": [task_id]} if "taskIds" in wanted else {})}
        with endpoint.stream(LISTEN, {"notifications": wanted}) as stream:
            stream.next()
            endpoint.drain()
            assert stream.rest()[-1]["result"]["_meta"][SUBSCRIPTION] == 1
        again: McpAnswer = endpoint.new(LISTEN, {"notifications": wanted})
        assert (again.error["code"], again.error["data"]) == (-32603, {"reason": "Draining"})
