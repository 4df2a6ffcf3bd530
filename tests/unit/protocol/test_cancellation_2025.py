"""`notifications/cancelled` of 2025-11-25, in a POST of its own: ends the call it names, at whatever replica."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2
import pytest

from mcptasks import CurrentTask, TaskConfig, TaskInfo, TaskServer
from mcptasks.model.base import JsonObject
from mcptasks.settings import Settings
from tests.support.doubles import MemoryTasks
from tests.support.polling import eventually
from tests.unit.protocol.conftest import Endpoint, serving

HEADERS = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
OLDER = ("2025-06-18", "2025-03-26")
VERSIONS = pytest.mark.parametrize("version", ["2025-11-25", *OLDER])
IDS = pytest.mark.parametrize("request_id", [7, 0, "0", "a-b", ""])
NO_SESSIONS = pytest.mark.parametrize(
    "headers",
    [{}, {"mcp-session-id": "default"}, {"mcp-session-id": "mct1"}, {"mcp-session-id": "mct1_elicitation_" + "x" * 32}],
    ids=["none", "of somebody else", "no number", "no hexadecimal number"],
)


@dataclass
class Sleeper:
    """A tool that runs until it is cancelled, and what became of its calls."""

    started: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def server(self) -> TaskServer[Any]:
        mcp: TaskServer[Any] = TaskServer("test", tasks=True)

        async def sleeps(name: str) -> str:
            self.started.append(name)
            try:
                await anyio.sleep(60)
            except anyio.get_cancelled_exc_class():
                self.cancelled.append(name)
                raise
            return name

        def thread(name: str, task: TaskInfo = CurrentTask()) -> str:
            self.started.append(name)
            if task.cancelled.wait(60):
                self.cancelled.append(name)
            return name

        mcp.add_tool(thread, "thread")
        mcp.add_tool(sleeps, "optional")
        mcp.add_tool(sleeps, "never", task=False)
        mcp.add_tool(sleeps, "waits", task=TaskConfig(without_tasks="wait"))
        return mcp


@pytest.fixture
def sleeper() -> Sleeper:
    return Sleeper()


@pytest.fixture
def served(sleeper: Sleeper) -> Iterator[Endpoint]:
    with serving(Settings(), sleeper.server()) as endpoint:
        yield endpoint


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def post(endpoint: Endpoint, body: JsonObject, headers: dict[str, str]) -> httpx2.Response:
    return httpx2.post(endpoint.url, json={"jsonrpc": "2.0", **body}, headers=HEADERS | headers, timeout=20)


def call(tool: str, name: str, request_id: int | str = 7, **params: Any) -> JsonObject:
    return {
        "id": request_id,
        "method": "tools/call",
        "params": {"name": tool, "arguments": {"name": name}, **params},
    }


def cancel(endpoint: Endpoint, headers: dict[str, str], request_id: object = 7) -> int:
    params = {"requestId": request_id, "reason": "the user pressed stop"}
    return post(endpoint, {"method": "notifications/cancelled", "params": params}, headers).status_code


def session(endpoint: Endpoint, version: str = "2025-11-25") -> dict[str, str]:
    """Headers of a new session in this version of the protocol."""
    hello = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    named = {"mcp-protocol-version": version}
    answer = post(endpoint, {"id": 0, "method": "initialize", "params": hello}, named)
    return {"mcp-session-id": answer.headers["mcp-session-id"], **named}


def phase(endpoint: Endpoint, task_id: str) -> str | None:
    status = endpoint.tasks.items[task_id].get("status", {})
    return str(status["phase"]) if "phase" in status else None


def waiting_call(
    pool: ThreadPoolExecutor, endpoint: Endpoint, headers: dict[str, str], request_id: int | str = 7, **params: Any
) -> tuple[Future[httpx2.Response], str]:
    known = set(endpoint.tasks.items)
    answer = pool.submit(post, endpoint, call("waits", "x", request_id, **params), headers)
    (task_id,) = eventually("the call is a task", lambda: set(endpoint.tasks.items) - known)
    return answer, task_id


@VERSIONS
@pytest.mark.parametrize("tool", ["optional", "never"])
def test_an_inline_call_is_cancelled(
    served: Endpoint, sleeper: Sleeper, pool: ThreadPoolExecutor, tool: str, version: str
) -> None:
    headers = session(served, version)
    answer = pool.submit(post, served, call(tool, "a"), headers)
    eventually("it runs", lambda: sleeper.started)
    assert cancel(served, headers) == 202
    eventually("it is cancelled", lambda: sleeper.cancelled == ["a"])
    assert '"code":-32800' in answer.result(20).text
    labels = {"method": "tools/call", "era": version, "outcome": "cancelled"}
    assert served.metrics.instruments.registry.get_sample_value("mcptasks_requests_total", labels) == 1


@IDS
def test_every_id_that_a_client_may_choose_can_be_cancelled(
    served: Endpoint, sleeper: Sleeper, pool: ThreadPoolExecutor, request_id: int | str
) -> None:
    headers = session(served)
    answer = pool.submit(post, served, call("never", "a", request_id), headers)
    eventually("it runs", lambda: sleeper.started)
    assert cancel(served, headers, request_id) == 202
    eventually("it is cancelled", lambda: sleeper.cancelled == ["a"])
    assert '"code":-32800' in answer.result(20).text


@NO_SESSIONS
def test_a_call_without_a_session_of_ours_is_nobodys_to_cancel(
    served: Endpoint, sleeper: Sleeper, pool: ThreadPoolExecutor, headers: dict[str, str]
) -> None:
    """Clients number their requests alike, and behind a proxy all come from one address."""
    body = {"jsonrpc": "2.0", **call("never", "a", 1)}
    impatient = httpx2.Timeout(2)
    pool.submit(httpx2.post, served.url, json=body, headers=HEADERS | headers, timeout=impatient)
    eventually("it runs", lambda: sleeper.started)
    assert cancel(served, headers, 1) == 202
    time.sleep(0.2)
    assert sleeper.cancelled == []


@NO_SESSIONS
def test_nor_is_the_task_of_one(served: Endpoint, pool: ThreadPoolExecutor, headers: dict[str, str]) -> None:
    answer, task_id = waiting_call(pool, served, headers)
    assert cancel(served, headers) == 202
    assert phase(served, task_id) in (None, "queued", "working")
    served.complete(task_id)
    assert '"error"' not in answer.result(20).text


def test_a_cancellation_without_a_session_looks_for_nothing(served: Endpoint) -> None:
    began = time.monotonic()
    assert cancel(served, {}) == 202
    assert time.monotonic() - began < 0.5


def test_text_and_number_are_the_same_id(served: Endpoint, sleeper: Sleeper, pool: ThreadPoolExecutor) -> None:
    headers = session(served)
    pool.submit(post, served, call("never", "a", "7"), headers)
    eventually("it runs", lambda: sleeper.started)
    escaped = b'{"jsonrpc":"2.0","method":"notifications\\/cancelled","params":{"requestId":7}}'
    kind = {"content-type": "application/json"}
    assert httpx2.post(served.url, content=escaped, headers=HEADERS | headers | kind, timeout=20).status_code == 202
    eventually("it is cancelled", lambda: sleeper.cancelled == ["a"])


def test_only_the_call_of_that_session_and_id_is_cancelled(
    served: Endpoint, sleeper: Sleeper, pool: ThreadPoolExecutor
) -> None:
    mine, theirs = session(served), session(served)
    for name, headers, request_id in (("mine", mine, 7), ("my other", mine, 8), ("theirs", theirs, 7)):
        pool.submit(post, served, call("never", name, request_id), headers)
    eventually("they run", lambda: len(sleeper.started) == 3)
    assert cancel(served, {}) == 202
    assert cancel(served, session(served)) == 202
    assert sleeper.cancelled == []
    assert cancel(served, mine) == 202
    eventually("it is cancelled", lambda: sleeper.cancelled == ["mine"])
    time.sleep(0.3)
    assert sleeper.cancelled == ["mine"]
    assert [cancel(served, mine, 8), cancel(served, theirs)] == [202, 202]


def test_of_two_that_look_the_same_none_is_cancelled(
    served: Endpoint, sleeper: Sleeper, pool: ThreadPoolExecutor
) -> None:
    impatient = httpx2.Timeout(3)
    headers = session(served)
    for name in ("a", "b"):
        body = {"jsonrpc": "2.0", **call("never", name)}
        pool.submit(httpx2.post, served.url, json=body, headers=HEADERS | headers, timeout=impatient)
    eventually("they run", lambda: len(sleeper.started) == 2)
    assert cancel(served, headers) == 202
    assert sleeper.cancelled == []


@VERSIONS
def test_the_task_of_a_waiting_call_is_cancelled(served: Endpoint, pool: ThreadPoolExecutor, version: str) -> None:
    headers = session(served, version)
    answer, task_id = waiting_call(pool, served, headers, 0)
    assert cancel(served, headers, 0) == 202
    eventually("the task is cancelled", lambda: phase(served, task_id) == "cancelled")
    assert '"error"' in answer.result(20).text


def test_it_is_with_an_idempotency_key_too(served: Endpoint, pool: ThreadPoolExecutor) -> None:
    headers = session(served)
    key = {"mcptasks.dev/idempotency-key": "0123456789-0123456789-0123456789-0123456789"}
    _, task_id = waiting_call(pool, served, headers, _meta=key)
    assert cancel(served, headers) == 202
    eventually("the task is cancelled", lambda: phase(served, task_id) == "cancelled")


@VERSIONS
def test_the_task_of_a_call_that_waits_at_another_replica_is_cancelled(
    sleeper: Sleeper, pool: ThreadPoolExecutor, version: str
) -> None:
    tasks = MemoryTasks()
    with (
        serving(Settings(), sleeper.server(), tasks) as first,
        serving(Settings(), sleeper.server(), tasks) as second,
    ):
        headers = session(first, version)
        answer, task_id = waiting_call(pool, first, headers)
        second.loop.call_soon_threadsafe(second.service.cache.add, tasks.items[task_id])
        assert cancel(second, session(second)) == 202
        assert phase(first, task_id) in (None, "queued", "working")
        assert cancel(second, headers) == 202
        assert phase(first, task_id) == "cancelled"
        first.loop.call_soon_threadsafe(first.service.cache.add, tasks.items[task_id])
        assert '"error"' in answer.result(20).text


@dataclass
class SlowTasks(MemoryTasks):
    """Has stored a task some time before it says so."""

    async def create(self, namespace: str, body: JsonObject) -> JsonObject:
        item = await super().create(namespace, body)
        await anyio.sleep(0.7)
        return item


KEY: dict[str, Any] = {"_meta": {"mcptasks.dev/idempotency-key": "0123456789-0123456789-0123456789-0123456789"}}


@pytest.mark.parametrize("params", [{}, KEY], ids=["without a key", "with a key"])
def test_a_call_that_is_cancelled_while_its_task_is_made_leaves_none_behind(
    sleeper: Sleeper, pool: ThreadPoolExecutor, params: JsonObject
) -> None:
    with serving(Settings(), sleeper.server(), SlowTasks()) as served:
        headers = session(served)
        answer, task_id = waiting_call(pool, served, headers, **params)
        assert cancel(served, headers) == 202
        eventually("the task is cancelled", lambda: phase(served, task_id) == "cancelled")
        assert '"code":-32800' in answer.result(20).text


def test_a_repeated_call_that_is_cancelled_leaves_the_task_to_the_first(
    sleeper: Sleeper, pool: ThreadPoolExecutor
) -> None:
    with serving(Settings(), sleeper.server(), SlowTasks()) as served:
        _, task_id = waiting_call(pool, served, session(served), **KEY)
        repeating = session(served)
        second = pool.submit(post, served, call("waits", "x", 8, **KEY), repeating)
        eventually("the second call waits too", lambda: cancel(served, repeating, 8) == 202 and second.done())
        assert '"code":-32800' in second.result(20).text
        assert phase(served, task_id) != "cancelled"


def test_who_waits_for_a_result_can_stop_waiting_and_the_task_goes_on(
    served: Endpoint, pool: ThreadPoolExecutor
) -> None:
    headers = session(served)
    post(served, call("waits", "x", task={}), headers)
    (task_id,) = served.tasks.items
    body = {"id": 9, "method": "tasks/result", "params": {"taskId": task_id}}
    answer = pool.submit(post, served, body, headers)
    eventually("it waits", lambda: served.service.cache.waiting)
    assert cancel(served, headers, 9) == 202
    assert '"code":-32800' in answer.result(20).text
    assert phase(served, task_id) != "cancelled"


def test_a_function_in_a_thread_is_told(served: Endpoint, sleeper: Sleeper, pool: ThreadPoolExecutor) -> None:
    headers = session(served)
    pool.submit(post, served, call("thread", "a"), headers)
    eventually("it runs", lambda: sleeper.started)
    assert cancel(served, headers) == 202
    eventually("it is told", lambda: sleeper.cancelled == ["a"])


def test_a_task_of_the_client_is_left_to_tasks_cancel(served: Endpoint) -> None:
    headers = session(served)
    post(served, call("waits", "x", task={}), headers)
    (task_id,) = served.tasks.items
    assert cancel(served, headers) == 202
    assert phase(served, task_id) != "cancelled"


@pytest.mark.parametrize("params", [None, {}, {"requestId": None}, {"requestId": True}, {"requestId": [1]}, []])
def test_what_names_no_request_does_nothing(served: Endpoint, params: object) -> None:
    body: JsonObject = {"method": "notifications/cancelled"} | ({} if params is None else {"params": params})
    assert post(served, body, {}).status_code in (202, 400)


def test_clients_cannot_call_the_method_behind_it(served: Endpoint) -> None:
    body = {"id": 1, "method": "mcptasks/cancelled", "params": {"requestId": "7"}}
    assert '"code":-32601' in post(served, body, {}).text
