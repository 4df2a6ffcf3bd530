"""A server that shuts down leaves no caller without an answer, whatever the caller waits for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from mcptasks import TaskConfig, TaskServer
from mcptasks.model.base import JsonObject
from mcptasks.settings import Settings
from tests.support.mcp import McpAnswer
from tests.support.polling import eventually
from tests.unit.protocol.conftest import Endpoint, serving

BOTH = pytest.mark.parametrize("version", ["old", "new"])
KEY = "mcptasks.dev/idempotency-key"


class Stuck:
    """What runs in the server and does not come to an end by itself."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.cancelled = threading.Event()

    async def __call__(self) -> str:
        self.running.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
        raise AssertionError("nothing sets it")


@pytest.fixture
def stuck() -> Stuck:
    return Stuck()


@pytest.fixture
def endpoint(stuck: Stuck) -> Iterator[Endpoint]:
    mcp: TaskServer[Any] = TaskServer("test", tasks=True)

    @mcp.tool()
    def add(a: int, b: int) -> int:
        return a + b

    @mcp.tool(task=TaskConfig(mode="required", without_tasks="wait"))
    def waits() -> str:
        return "done"

    @mcp.tool(task=TaskConfig(answer_within=600))
    def soon() -> str:
        return "done"

    @mcp.tool(task=False)
    async def inline() -> str:
        return await stuck()

    @mcp.prompt()
    async def prompt() -> str:
        return await stuck()

    @mcp.resource("stuck://here")
    async def resource() -> str:
        return await stuck()

    with serving(Settings(), mcp) as served:
        yield served


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def send(endpoint: Endpoint, version: str, method: str, params: JsonObject, *, extension: bool = False) -> McpAnswer:
    if version == "old":
        return endpoint.old(method, params)
    return endpoint.new(method, params, extension=extension, mcp_name=str(params.get("name") or params.get("uri")))


def waiting_for(endpoint: Endpoint, start: Callable[[], Future[McpAnswer]]) -> tuple[Future[McpAnswer], str]:
    """A call under way, and the task that it waits for."""
    before = set(endpoint.tasks.items)
    call = start()
    eventually("the call has its task", lambda: set(endpoint.tasks.items) - before)
    eventually("the call waits", lambda: endpoint.service.cache.waiting)
    return call, (set(endpoint.tasks.items) - before).pop()


def test_who_waits_for_a_result_is_told_to_ask_again(endpoint: Endpoint, pool: ThreadPoolExecutor) -> None:
    task_id = endpoint.make()
    waiting = pool.submit(endpoint.old, "tasks/result", {"taskId": task_id})
    eventually("the call waits", lambda: endpoint.service.cache.waiting)
    endpoint.drain()
    error = waiting.result(60).error
    assert (error["code"], error["data"]) == (-32603, {"reason": "Draining"})
    assert "send the request again" in error["message"]
    assert endpoint.get(task_id)["status"] == "working"


@BOTH
def test_a_new_task_is_for_another_replica_to_make(endpoint: Endpoint, version: str) -> None:
    endpoint.drain()
    task: JsonObject = {"task": {}} if version == "old" else {}
    call = {"name": "add", "arguments": {"a": 1, "b": 2}, **task}
    assert send(endpoint, version, "tools/call", call, extension=True).error["data"] == {"reason": "Draining"}
    assert not endpoint.tasks.items


@BOTH
def test_a_call_that_waits_for_its_task_may_still_get_its_answer(
    endpoint: Endpoint, pool: ThreadPoolExecutor, version: str
) -> None:
    call = {"name": "waits", "arguments": {}}
    waiting, task_id = waiting_for(endpoint, lambda: pool.submit(send, endpoint, version, "tools/call", call))
    endpoint.drain()
    endpoint.complete(task_id, {"content": [{"type": "text", "text": "done"}]})
    assert waiting.result(60).result["content"][0]["text"] == "done"


@BOTH
def test_one_that_outlasts_the_server_is_cancelled_and_says_so(
    endpoint: Endpoint, pool: ThreadPoolExecutor, version: str
) -> None:
    call = {"name": "waits", "arguments": {}}
    waiting, task_id = waiting_for(endpoint, lambda: pool.submit(send, endpoint, version, "tools/call", call))
    endpoint.drain()
    endpoint.close_down()
    error = waiting.result(60).error
    # Not `Draining`: clients repeat such calls by themselves, and this one has begun.
    assert (error["code"], error["data"]) == (-32603, {"reason": "Interrupted"})
    assert endpoint.tasks.items[task_id]["status"]["phase"] == "cancelled"


@BOTH
def test_with_an_idempotency_key_the_task_goes_on_and_the_call_can_be_repeated(
    endpoint: Endpoint, pool: ThreadPoolExecutor, version: str
) -> None:
    call = {"name": "waits", "arguments": {}, "_meta": {KEY: "0123456789-0123456789-0123456789"}}
    waiting, task_id = waiting_for(endpoint, lambda: pool.submit(send, endpoint, version, "tools/call", call))
    endpoint.drain()
    endpoint.close_down()
    assert waiting.result(60).error["data"] == {"reason": "Draining"}
    assert endpoint.get(task_id)["status"] == "working"


def test_who_takes_tasks_gets_one_instead_of_waiting_longer(endpoint: Endpoint, pool: ThreadPoolExecutor) -> None:
    call = {"name": "soon", "arguments": {}}
    waiting, task_id = waiting_for(endpoint, lambda: pool.submit(endpoint.new, "tools/call", call))
    endpoint.drain()
    result = waiting.result(60).result
    assert (result["resultType"], result["taskId"]) == ("task", task_id)


@BOTH
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": "inline", "arguments": {}}),
        ("prompts/get", {"name": "prompt"}),
        ("resources/read", {"uri": "stuck://here"}),
    ],
)
def test_what_runs_in_the_server_has_until_its_end_and_is_cancelled_then(
    endpoint: Endpoint, pool: ThreadPoolExecutor, stuck: Stuck, version: str, method: str, params: JsonObject
) -> None:
    running = pool.submit(send, endpoint, version, method, params)
    assert stuck.running.wait(60)
    endpoint.drain()
    assert not running.done()
    endpoint.close_down()
    error = running.result(60).error
    assert (error["code"], error["data"]) == (-32603, {"reason": "Interrupted"})
    assert "may run a second time" in error["message"]
    assert stuck.cancelled.wait(60)


@BOTH
def test_what_runs_in_the_server_still_ends_with_its_connection(endpoint: Endpoint, stuck: Stuck, version: str) -> None:
    impatient = replace(endpoint, timeout=5)
    with pytest.raises(httpx2.ReadTimeout):
        send(impatient, version, "tools/call", {"name": "inline", "arguments": {}})
    assert stuck.running.wait(60)
    assert stuck.cancelled.wait(60)
