"""A request carries the component that was found for it, and nobody takes it for another one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.server.session import ServerSession

from mcptasks import TaskServer
from mcptasks.authoring.server_catalogue import ServerCatalogue
from mcptasks.model.task import Component, ComponentKind
from mcptasks.protocol.request_target import Sought, target_of, with_target
from tests.support.inline_and_job import ComponentCall, inline

TOOL = ComponentKind.TOOL


def catalogue(*names: str) -> ServerCatalogue:
    mcp: TaskServer[Any] = TaskServer("s")
    for name in names:
        mcp.add_tool(lambda: None, name=name)
    return mcp.catalogue


def request(name: str, method: str = "tools/call") -> ServerRequestContext[Any, Any]:
    session = cast(ServerSession, None)
    return ServerRequestContext(
        session=session, lifespan_context=None, protocol_version="x", method=method, params={"name": name}
    )


def name_of(sought: Sought | None, ctx: ServerRequestContext[Any, Any] | None, known: ServerCatalogue) -> str | None:
    target = target_of(sought, ctx, known)
    return None if target is None else target.component.name


def test_what_was_found_is_carried_even_when_it_is_gone_meanwhile() -> None:
    known = catalogue("add")
    ctx = replace(with_target(request("add"), known), lifespan_context="other")
    known.declarations.remove(TOOL, "add")
    assert name_of((TOOL, "add"), ctx, known) == "add"
    assert name_of((TOOL, "add"), None, known) is None


def test_that_there_was_nothing_is_carried_too() -> None:
    known = catalogue()
    ctx = with_target(request("add"), known)
    assert name_of((TOOL, "add"), ctx, known) is None


@pytest.mark.parametrize("method", ["tools/list", "notifications/cancelled"])
def test_a_request_that_names_nothing_stays_as_it_is(method: str) -> None:
    ctx = request("add", method)
    assert with_target(ctx, catalogue("add")) is ctx
    assert name_of(None, ctx, catalogue("add")) is None


def test_another_name_and_another_server_are_looked_up() -> None:
    known, other = catalogue("add", "sub"), catalogue("add")
    ctx = with_target(request("add"), known)
    assert name_of((TOOL, "sub"), ctx, known) == "sub"
    target = target_of((TOOL, "add"), ctx, other)
    assert target is not None
    assert target is not target_of((TOOL, "add"), ctx, known)


async def renamed(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """An author's middleware that makes another call of it."""
    return await call_next(replace(ctx, params={**(ctx.params or {}), "name": "new"}))


def test_a_middleware_that_renames_the_tool_has_the_new_one_checked_and_run() -> None:
    mcp: TaskServer[Any] = TaskServer("s", middleware=[renamed])
    mcp.add_tool(lambda: "old", name="old")

    @mcp.tool()
    async def new(ctx: Context[Any, Any]) -> str:
        return "new"

    assert '"new"' in inline(mcp, ComponentCall(Component(name="old")))
    assert "'ctx' of tool 'new' is filled in by the server" in inline(
        mcp, ComponentCall(Component(name="old"), arguments={"ctx": 1})
    )


def test_a_tool_that_calls_another_one_within_its_request_calls_that_one() -> None:
    mcp: TaskServer[Any] = TaskServer("s")

    @mcp.tool()
    async def inner(word: str, ctx: Context[Any, Any]) -> str:
        return f"inner {word}"

    @mcp.tool()
    async def outer(ctx: Context[Any, Any]) -> str:
        return str(await mcp.call_tool("inner", {"word": "x"}, ctx))

    assert "inner x" in inline(mcp, ComponentCall(Component(name="outer")))
