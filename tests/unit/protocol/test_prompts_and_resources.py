"""Prompts and resources as tasks: in protocol version 2025-11-25, as FastMCP 2 and 3 have it, and in no other."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mcp.server.mcpserver import Context

from mcptasks import TaskConfig, TaskServer
from mcptasks.model.base import JsonObject
from mcptasks.settings import Settings
from tests.support.mcp import McpAnswer
from tests.support.polling import eventually
from tests.unit.protocol.conftest import Endpoint, serving

PROMPT = {"name": "ask", "arguments": {"topic": "whales", "count": "3"}}


def make_server() -> TaskServer[Any]:
    mcp: TaskServer[Any] = TaskServer("test", tasks=True)

    @mcp.prompt()
    def ask(topic: str, ctx: Context[Any, Any], count: int = 1) -> str:
        return f"Tell {count} things about {topic}"

    @mcp.prompt(task=TaskConfig(mode="required"))
    async def must_ask() -> str:
        return "now"

    @mcp.prompt(task=False)
    def never_ask() -> str:
        return "never"

    @mcp.resource("data://all")
    def everything() -> str:
        return "all of it"

    @mcp.resource("data://never", task=False)
    def nothing() -> str:
        return "nothing"

    @mcp.resource("data://{year}/report", task=TaskConfig(ttl=90))
    def report(year: int) -> str:
        return f"report of {year}"

    @mcp.resource("must://{part}", task=TaskConfig(mode="required"))
    def must_read(part: str) -> str:
        return part

    add_choices(mcp)
    return mcp


def add_choices(mcp: TaskServer[Any]) -> None:
    """What says how it is served to clients without tasks."""

    @mcp.prompt(task=TaskConfig(without_tasks="wait"))
    def wait_for(topic: str) -> str:
        raise AssertionError(f"nothing of {topic} is made in the server")

    @mcp.resource("wait://{part}", task=TaskConfig(mode="required", without_tasks="wait"))
    def read_later(part: str) -> str:
        raise AssertionError(f"nothing of {part} is read in the server")

    @mcp.prompt(task=TaskConfig(without_tasks="refuse"))
    def refuse() -> str:
        return "now"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with serving(Settings(), make_server()) as served:
        yield served


def created(endpoint: Endpoint, method: str, params: JsonObject) -> tuple[str, JsonObject]:
    """The new task's id, and its spec in the cluster."""
    task_id = str(endpoint.old(method, {**params, "task": {}}).result["task"]["taskId"])
    return task_id, endpoint.tasks.items[task_id]["spec"]


def test_their_capabilities_are_announced_where_something_stands_behind_them(endpoint: Endpoint) -> None:
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    requests = endpoint.old("initialize", hello).result["capabilities"]["tasks"]["requests"]
    assert requests == {"tools": {"call": {}}, "prompts": {"get": {}}, "resources": {"read": {}}}


def test_a_prompt_becomes_a_task(endpoint: Endpoint) -> None:
    task_id, spec = created(endpoint, "prompts/get", PROMPT)
    assert spec["component"] == {"kind": "prompt", "name": "ask"}
    assert spec["arguments"] == PROMPT["arguments"]
    messages = [{"role": "user", "content": {"type": "text", "text": "hello"}}]
    endpoint.complete(task_id, {"messages": messages, "description": ""})
    result = endpoint.result(task_id)
    assert result["messages"] == messages
    assert result["_meta"]["io.modelcontextprotocol/related-task"] == {"taskId": task_id}


@pytest.mark.parametrize(
    ("uri", "kind", "ttl_ms"),
    [("data://all", "resource", 3_600_000), ("data://2026/report", "resourceTemplate", 90_000)],
)
def test_a_resource_becomes_a_task_under_its_own_uri(endpoint: Endpoint, uri: str, kind: str, ttl_ms: int) -> None:
    task_id, spec = created(endpoint, "resources/read", {"uri": uri})
    assert spec["component"] == {"kind": kind, "name": uri}
    assert (spec["arguments"], spec["ttlMs"]) == ({}, ttl_ms)
    contents = [{"uri": uri, "mimeType": "text/plain", "text": "hello"}]
    endpoint.complete(task_id, {"contents": contents})
    assert endpoint.result(task_id)["contents"] == contents


@pytest.mark.parametrize(
    ("method", "params", "code", "text"),
    [
        ("prompts/get", {"name": "never_ask", "task": {}}, -32601, "Prompt 'never_ask' does not run as a task"),
        ("prompts/get", {"name": "must_ask"}, -32601, "Prompt 'must_ask' runs only as a task"),
        ("prompts/get", {"name": "no", "task": {}}, -32602, "Unknown prompt: no"),
        ("prompts/get", {"name": "ask", "task": {}}, -32602, "Prompt 'ask' needs 'topic'"),
        (
            "prompts/get",
            {"name": "ask", "arguments": {"topic": "x", "count": "y"}, "task": {}},
            -32602,
            "valid integer",
        ),
        ("prompts/get", {"name": "ask", "arguments": {"topic": "x", "z": "1"}, "task": {}}, -32602, "has no 'z'"),
        (
            "prompts/get",
            {"name": "ask", "arguments": {"topic": "x", "ctx": "1"}, "task": {}},
            -32602,
            "'ctx' of prompt",
        ),
        (
            "resources/read",
            {"uri": "data://never", "task": {}},
            -32601,
            "Resource 'data://never' does not run as a task",
        ),
        ("resources/read", {"uri": "must://x"}, -32601, "Resource 'must://x' runs only as a task"),
        ("resources/read", {"uri": "no://x", "task": {}}, -32602, "Unknown resource: no://x"),
        ("resources/read", {"uri": "data://MMXXVI/report", "task": {}}, -32602, "valid integer"),
        ("resources/read", {"uri": "must://..", "task": {}}, -32602, "Unknown resource: must://.."),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_exists(
    endpoint: Endpoint, method: str, params: JsonObject, code: int, text: str
) -> None:
    writes = endpoint.tasks.writes
    error = endpoint.old(method, params).error
    assert error["code"] == code
    assert text in error["message"]
    assert endpoint.tasks.writes == writes


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("prompts/get", {"name": "ask", "arguments": {"topic": "x", "ctx": "1"}}),
        ("prompts/get", {"name": "ask", "arguments": {"topic": "x", "count": "y"}}),
        ("resources/read", {"uri": "data://MMXXVI/report"}),
        ("resources/read", {"uri": "no://x"}),
    ],
)
def test_an_inline_request_is_refused_with_the_same_error(endpoint: Endpoint, method: str, params: JsonObject) -> None:
    inline = endpoint.old(method, params).error
    assert inline == endpoint.old(method, {**params, "task": {}}).error
    assert inline == endpoint.new(method, params, mcp_name=params.get("name") or params["uri"]).error


def test_without_task_they_are_served_inline(endpoint: Endpoint) -> None:
    writes = endpoint.tasks.writes
    text = "Tell 3 things about whales"
    assert endpoint.old("prompts/get", PROMPT).result["messages"][0]["content"]["text"] == text
    assert (
        endpoint.old("resources/read", {"uri": "data://2026/report"}).result["contents"][0]["text"] == "report of 2026"
    )
    assert endpoint.tasks.writes == writes


def test_the_newer_version_never_has_them_as_tasks(endpoint: Endpoint) -> None:
    writes = endpoint.tasks.writes
    assert endpoint.new("prompts/get", {**PROMPT, "task": {}}).result["resultType"] == "complete"
    assert endpoint.new("resources/read", {"uri": "data://all", "task": {}}, mcp_name="data://all").result["contents"]
    required = endpoint.new("prompts/get", {"name": "must_ask"}).error
    assert (required["code"], "runs only as a task" in required["message"]) == (-32601, True)
    assert endpoint.tasks.writes == writes


WAITING = [
    ("prompts/get", {"name": "wait_for", "arguments": {"topic": "x"}}, "messages"),
    ("resources/read", {"uri": "wait://x"}, "contents"),
]
RESULTS: dict[str, JsonObject] = {
    "messages": {"messages": [{"role": "user", "content": {"type": "text", "text": "hello"}}]},
    "contents": {"contents": [{"uri": "wait://x", "mimeType": "text/plain", "text": "hello"}]},
}


@pytest.mark.parametrize("version", ["old", "new"])
@pytest.mark.parametrize(("method", "params", "field"), WAITING)
def test_a_request_waits_for_its_task_in_both_versions(
    endpoint: Endpoint, version: str, method: str, params: JsonObject, field: str
) -> None:
    with ThreadPoolExecutor(1) as pool:
        known = set(endpoint.tasks.items)
        waiting = pool.submit(request, endpoint, version, method, params)
        (task_id,) = eventually("the request is a task", lambda: set(endpoint.tasks.items) - known)
        endpoint.complete(task_id, RESULTS[field])
        result = waiting.result(30).result
    assert result[field] == RESULTS[field][field]
    assert result.get("resultType") == ("complete" if version == "new" else None)
    assert result.get("cacheScope") == ("private" if (version, field) == ("new", "contents") else None)


@pytest.mark.parametrize("version", ["old", "new"])
def test_a_prompt_that_is_not_for_clients_without_tasks_says_so(endpoint: Endpoint, version: str) -> None:
    error = request(endpoint, version, "prompts/get", {"name": "refuse"}).error
    assert (error["code"], "runs only as a task" in error["message"]) == (-32601, True)


@pytest.mark.parametrize("version", ["old", "new"])
def test_arguments_that_do_not_fit_make_no_task(endpoint: Endpoint, version: str) -> None:
    writes = endpoint.tasks.writes
    error = request(endpoint, version, "prompts/get", {"name": "wait_for"}).error
    assert (error["code"], "needs 'topic'" in error["message"]) == (-32602, True)
    assert endpoint.tasks.writes == writes


def request(endpoint: Endpoint, version: str, method: str, params: JsonObject) -> McpAnswer:
    """The answer of either protocol version to a client without tasks."""
    if version == "old":
        return endpoint.old(method, params)
    return endpoint.new(method, params, mcp_name=params.get("name") or params["uri"], extension=False)


def test_a_server_that_does_not_offer_them_ignores_the_wish() -> None:
    mcp: TaskServer[Any] = TaskServer("test")
    mcp.prompt("ask")(lambda: "hello")
    with serving(Settings(), mcp) as served:
        assert served.old("prompts/get", {"name": "ask", "task": {}}).result["messages"]
