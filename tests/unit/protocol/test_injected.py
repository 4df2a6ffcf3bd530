"""Injected parameters over the wire: what is kept of a request for them, and that no caller can give them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup
from pydantic import ValidationError

from mcptasks import CurrentHeaders, Depends, TaskServer
from mcptasks.model.base import JsonObject
from mcptasks.settings import Settings
from tests.unit.protocol.conftest import Endpoint, serving


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    mcp: TaskServer[Any] = TaskServer("test", tasks=True)

    @mcp.tool()
    def tenant(headers: dict[str, str] = CurrentHeaders(), db: str = Depends(lambda: "db")) -> str:  # type: ignore[assignment]
        return f"{db}: {headers}"

    @asynccontextmanager
    async def workers() -> AsyncIterator[TaskGroup]:
        async with anyio.create_task_group() as group:
            yield group

    @mcp.tool()
    async def concurrent(group: TaskGroup = Depends(workers)) -> str:
        group.start_soon(anyio.sleep, 0)
        return "done"

    @mcp.prompt()
    def ask(db: str = Depends(lambda: "db")) -> str:
        return db

    with serving(Settings(forward_headers=["X-Tenant"]), mcp) as served:
        yield served


def test_allowed_headers_are_kept_in_the_task_and_no_others(endpoint: Endpoint) -> None:
    headers = {"x-tenant": "blue", "x-other": "1", "authorization": "Bearer secret"}
    task = endpoint.old("tools/call", {"name": "tenant", "task": {}}, **headers).result["task"]
    stored = endpoint.tasks.items[task["taskId"]]
    assert stored["spec"]["request"]["headers"] == {"x-tenant": "blue"}
    assert "secret" not in str(stored)
    inline = endpoint.old("tools/call", {"name": "tenant"}, **headers).result
    assert inline["content"][0]["text"] == "db: {'x-tenant': 'blue'}"


def test_what_is_opened_for_an_inline_call_is_closed_in_the_same_place(endpoint: Endpoint) -> None:
    """A task group of anyio's insists on that, and so do context variables."""
    call: JsonObject = {"name": "concurrent", "arguments": {}}
    for answer in (endpoint.old("tools/call", call), endpoint.new("tools/call", call, extension=False)):
        assert answer.result["content"][0]["text"] == "done"


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": "tenant", "arguments": {"db": "x"}}),
        ("prompts/get", {"name": "ask", "arguments": {"db": "x"}}),
    ],
)
def test_a_caller_who_gives_one_gets_an_error_before_anything_exists(
    endpoint: Endpoint, method: str, params: JsonObject
) -> None:
    writes = endpoint.tasks.writes
    as_task = endpoint.old(method, {**params, "task": {}}).error
    assert as_task["code"] == -32602
    assert "'db' of" in as_task["message"]
    for inline in (endpoint.old(method, params), endpoint.new(method, params)):
        assert "is filled in by the server and cannot be given" in str(inline.message)
        assert "error" in inline.message or inline.result["isError"] is True
    assert endpoint.tasks.writes == writes


@pytest.mark.parametrize("name", ["Authorization", "cookie", "X-API-Key"])
def test_headers_with_credentials_cannot_be_allowed(name: str) -> None:
    with pytest.raises(ValidationError, match="carries credentials, which never enter a task"):
        Settings(forward_headers=[name])


def test_claims_that_are_tokens_cannot_be_allowed() -> None:
    with pytest.raises(ValidationError, match="tokens never enter a task"):
        Settings(forward_claims=["team", "id_token"])
