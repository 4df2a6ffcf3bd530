"""Two replicas over one embedded cluster: whichever is asked answers, and none is missed."""

from __future__ import annotations

import asyncio
import os
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mcptasks.cli.worker_option import workers_can_run
from mcptasks.client import Client
from mcptasks.dev.stack import LocalStack, StackConfig
from mcptasks.model.base import JsonObject
from tests.support.kubectl import Kubectl
from tests.support.mcp import EXTENSION, McpAnswer, RawClient
from tests.support.polling import eventually

KEY = "mcptasks.dev/idempotency-key"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
RELATED = "io.modelcontextprotocol/related-task"
ABLE: JsonObject = {"io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}, "elicitation": {}}}
"""`_meta` of a client that can be asked."""


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with LocalStack(
        StackConfig(str(Path(__file__).with_name("tools.py")), servers=2, warm=workers_can_run())
    ) as running:
        yield running


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def new_task(client: RawClient, tool: str, arguments: JsonObject, **meta: Any) -> str:
    params: JsonObject = {"name": tool, "arguments": arguments} | ({"_meta": meta} if meta else {})
    return str(client.new("tools/call", params).result["taskId"])


def test_a_task_can_be_read_from_the_other_replica_at_once(one: RawClient, two: RawClient) -> None:
    for _ in range(2):
        old = one.create("add", {"a": 1, "b": 2})
        assert two.get(old)["taskId"] == old
        new = new_task(two, "add", {"a": 1, "b": 2})
        assert one.new("tasks/get", {"taskId": new}).result["taskId"] == new


def test_a_result_is_waited_for_at_the_other_replica_with_progress(one: RawClient, two: RawClient) -> None:
    call = {"name": "steps", "arguments": {"count": 4}, "task": {}, "_meta": {"progressToken": "token"}}
    task_id = one.old("tools/call", call).result["task"]["taskId"]
    *notes, message = two.old("tasks/result", {"taskId": task_id}).messages
    assert message["result"]["content"][0]["text"] == "4 steps done"
    assert message["result"]["_meta"][RELATED] == {"taskId": task_id}
    assert "notifications/tasks/status" in {note["method"] for note in notes}
    reports = [note["params"] for note in notes if note["method"] == "notifications/progress"]
    assert reports
    assert all(report["progressToken"] == "token" for report in reports)
    assert all(report["_meta"][RELATED] == {"taskId": task_id} for report in reports)


def test_a_task_is_told_of_at_the_other_replica_up_to_its_result(one: RawClient, two: RawClient) -> None:
    task_id = new_task(one, "steps", {"count": 4})
    with two.stream("subscriptions/listen", {"notifications": {"taskIds": [task_id]}}) as stream:
        assert stream.next()["params"]["notifications"] == {"taskIds": [task_id]}
        *notes, answer = stream.rest()
    told = [note["params"] for note in notes]
    assert {note["method"] for note in notes} == {"notifications/tasks"}
    assert any(task["status"] == "working" and "step" in task.get("statusMessage", "") for task in told)
    assert told[-1]["result"]["content"][0]["text"] == "4 steps done"
    assert answer["result"]["resultType"] == "complete"


def test_our_client_listens_where_polling_would_be_too_rare_also_through_a_restart(stack: LocalStack) -> None:
    async def call() -> str:
        async with Client(stack.endpoint_of("server-2")) as client:
            task = await client.call_tool("rarely_polled", {"count": 10}, task=True)
            waiting = asyncio.create_task(task.result())
            await task.wait("working")
            await asyncio.to_thread(stack.restart, "server-2")
            return (await waiting).text

    assert asyncio.run(asyncio.wait_for(call(), 120)) == "10 steps done"


def test_a_call_that_is_asked_first_goes_on_at_the_other_replica(
    stack: LocalStack, one: RawClient, two: RawClient
) -> None:
    params: JsonObject = {"name": "greet", "arguments": {}, "_meta": ABLE}
    asked = one.new("tools/call", params).result
    answers = {key: {"action": "accept", "content": {"name": "Ada"}} for key in asked["inputRequests"]}
    stack.restart("server-2")
    again = {**params, "inputResponses": answers, "requestState": asked["requestState"]}
    created = two.new("tools/call", again).result
    assert created["resultType"] == "task"
    text = one.result(created["taskId"])["content"][0]["text"]
    assert text.startswith("Hello, Ada, from process ")


def test_answers_reach_a_task_through_any_replica_and_through_a_restart(
    stack: LocalStack, one: RawClient, two: RawClient
) -> None:
    def get(client: RawClient) -> JsonObject:
        return client.new("tasks/get", {"taskId": task_id, "_meta": ABLE}).result

    def update(client: RawClient, answers: JsonObject) -> None:
        params = {"taskId": task_id, "inputResponses": answers, "_meta": ABLE}
        assert client.new("tasks/update", params).result["resultType"] == "complete"

    task_id = new_task(one, "asks_twice", {}, **ABLE)
    eventually("both are asked", lambda: len(get(two).get("inputRequests", {})) == 2)
    keys = {request["params"]["message"]: key for key, request in get(two)["inputRequests"].items()}
    accepted = {"action": "accept", "content": {"ok": True}}
    # Partial, with one that nobody asked; the other replica sees it at once.
    update(one, {keys["Second?"]: {"action": "decline"}, "9-9": accepted})
    assert list(get(one)["inputRequests"]) == [keys["First?"]]
    eventually("the other one knows", lambda: list(get(two)["inputRequests"]) == [keys["First?"]])
    stack.restart("server-2")
    # Repeated: the first answer counts, also for a server that has never seen it.
    update(two, {keys["Second?"]: accepted})
    assert list(get(two)["inputRequests"]) == [keys["First?"]]
    update(two, {keys["First?"]: accepted})
    assert one.result(task_id)["content"][0]["text"] == "accept and decline"
    # Late.
    update(two, {keys["First?"]: {"action": "decline"}})
    assert get(two)["result"]["content"][0]["text"] == "accept and decline"


def test_cancelling_at_one_replica_ends_the_wait_at_the_other(
    one: RawClient, two: RawClient, pool: ThreadPoolExecutor
) -> None:
    task_id = one.create("steps", {"count": 600})
    one.wait(task_id, "working")
    waiting: Future[McpAnswer] = pool.submit(one.old, "tasks/result", {"taskId": task_id})
    assert two.cancel(task_id)["status"] == "cancelled"
    assert "ancelled" in waiting.result(60).error["message"]
    assert one.get(task_id)["status"] == "cancelled"


def test_a_waiting_call_is_given_up_by_a_notification_to_the_other_replica(one: RawClient, two: RawClient) -> None:
    session = one.hello({})
    call = {"name": "waited_for", "arguments": {"count": 600}, "_meta": {"progressToken": 1}}
    with one.old_stream("tools/call", call, **session) as stream:
        assert stream.next()["method"] == "notifications/progress"
        told = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25", **session}
        assert httpx2.post(two.url, json=told, headers=headers, timeout=20).status_code == 202
        assert "ancelled" in stream.rest()[-1]["error"]["message"]


def test_an_inline_call_is_given_up_by_a_notification_to_the_other_replica(one: RawClient, two: RawClient) -> None:
    session = one.hello({})
    call = {"name": "inline", "arguments": {"count": 60}, "_meta": {"progressToken": 1}}
    with one.old_stream("tools/call", call, **session) as stream:
        assert stream.next()["method"] == "notifications/progress"
        told = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25", **session}
        assert httpx2.post(two.url, json=told, headers=headers, timeout=20).status_code == 202
        assert "ancelled" in stream.rest()[-1]["error"]["message"]


def test_what_one_replica_has_cancelled_the_other_calls_cancelled_as_soon_as_its_watch_tells(
    one: RawClient, two: RawClient
) -> None:
    for here, there in [(one, two), (two, one)] * 5:
        task_id = here.create("steps", {"count": 600})
        here.cancel(task_id)
        assert there.wait(task_id, "cancelled", seconds=20)["status"] == "cancelled"


def test_lists_are_the_same_at_both(one: RawClient, two: RawClient) -> None:
    task_id = one.create("add", {"a": 1, "b": 2})

    def listed(client: RawClient) -> bool:
        return task_id in [task["taskId"] for task in client.old("tasks/list").result["tasks"]]

    eventually("both list it", lambda: listed(one) and listed(two))


def test_a_caller_that_goes_away_takes_nothing_with_it(one: RawClient, two: RawClient) -> None:
    task_id = one.create("steps", {"count": 8})
    impatient = RawClient(one.url, timeout=0.5)
    for _ in range(3):
        with pytest.raises(httpx2.ReadTimeout):
            impatient.old("tasks/result", {"taskId": task_id})
    assert two.result(task_id)["content"][0]["text"] == "8 steps done"


def test_of_many_calls_with_one_key_at_both_replicas_there_is_one_task(
    stack: LocalStack, one: RawClient, two: RawClient, pool: ThreadPoolExecutor
) -> None:
    key = str(uuid.uuid4())
    start = threading.Barrier(8)

    def call(number: int) -> str:
        start.wait(30)
        return new_task((one, two)[number % 2], "add", {"a": 1, "b": 2}, **{KEY: key})

    ids = set(pool.map(call, range(8)))
    assert len(ids) == 1
    found = Kubectl(stack.kubeconfig, stack.namespace).list("mcptasks")
    keyed = [task["metadata"]["name"] for task in found if "idempotencyKey" in task["spec"]]
    assert keyed == list(ids)
    assert two.result(ids.pop())["structuredContent"] == {"result": 3}


def test_a_deleted_task_of_the_same_key_is_made_anew(stack: LocalStack, one: RawClient, two: RawClient) -> None:
    key = str(uuid.uuid4())
    task_id = new_task(one, "add", {"a": 1, "b": 2}, **{KEY: key})
    one.wait(task_id, "completed")
    kubectl = Kubectl(stack.kubeconfig, stack.namespace)
    before = kubectl.get("mcptask", task_id)["metadata"]["uid"]
    kubectl.run("delete", "mcptask", task_id)
    assert new_task(two, "add", {"a": 1, "b": 2}, **{KEY: key}) == task_id
    assert kubectl.get("mcptask", task_id)["metadata"]["uid"] != before
    assert one.wait(task_id)["status"] == "completed"


def test_a_plain_call_waits_for_its_job(one: RawClient) -> None:
    *notes, message = one.old(
        "tools/call", {"name": "waited_for", "arguments": {"count": 4}, "_meta": {"progressToken": 7}}
    ).messages
    text = message["result"]["content"][0]["text"]
    assert text.startswith("4 steps done in process ")
    assert RELATED not in message["result"].get("_meta", {})
    assert {note["method"] for note in notes} == {"notifications/progress"}


def test_a_short_task_is_answered_at_once_with_its_result(stack: LocalStack, one: RawClient) -> None:
    result = one.new("tools/call", {"name": "quick", "arguments": {}}).result
    assert result["resultType"] == "complete"
    servers = {stack.pid(name) for name in stack.server_names} | {os.getpid()}
    assert result["structuredContent"]["result"] not in servers


@pytest.mark.parametrize("version", ["old", "new"])
def test_a_tool_in_a_job_knows_what_its_request_carried(one: RawClient, version: str) -> None:
    meta = {"traceparent": TRACE, "progressToken": "p", "example.com/tenant": {"name": "blue"}}
    if version == "old":
        params = {"name": "surroundings", "arguments": {}, "task": {}, "_meta": meta}
        task_id = one.old("tools/call", params).result["task"]["taskId"]
    else:
        task_id = new_task(one, "surroundings", {}, **meta)
    known = one.result(task_id)["structuredContent"]
    assert known["traceparent"] == TRACE
    assert known["meta"]["traceparent"] == TRACE
    assert known["meta"]["example.com/tenant"] == {"name": "blue"}


def test_a_restarted_replica_answers_for_tasks_that_it_never_saw(
    stack: LocalStack, one: RawClient, two: RawClient
) -> None:
    task_id = two.create("steps", {"count": 6})
    stack.restart("server-2")
    assert two.result(task_id)["content"][0]["text"] == "6 steps done"
    assert one.get(task_id)["status"] == "completed"
