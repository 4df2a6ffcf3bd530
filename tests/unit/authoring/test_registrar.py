"""Servers mounted on another one: names, lifespans, what comes later, and what cannot be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import Context, MCPServer

from mcptasks import DeclarationError, Depends, TaskConfig, TaskServer
from mcptasks.model.task import Component, ComponentKind
from tests.support.inline_and_job import ComponentCall, in_job, inline
from tests.unit.authoring.task_configs import config_of

TOOL = ComponentKind.TOOL


def maps(tasks: Any = None) -> TaskServer[Any]:
    @asynccontextmanager
    async def lifespan(_: MCPServer[Any]) -> AsyncIterator[str]:
        yield "the maps' state"

    mcp: TaskServer[Any] = TaskServer("maps", tasks=tasks, lifespan=lifespan)

    @mcp.tool()
    async def draw(ctx: Context[Any, Any], ink: str = Depends(lambda: "blue")) -> str:
        return f"{ink} with {ctx.request_context.lifespan_context}"

    @mcp.prompt()
    def ask() -> str:
        return "where?"

    @mcp.resource("map://{place}")
    def read(place: str) -> str:
        return place

    return mcp


def main(prefix: str = "geo", tasks: Any = None) -> TaskServer[Any]:
    @asynccontextmanager
    async def lifespan(_: MCPServer[Any]) -> AsyncIterator[str]:
        yield "the main state"

    mcp: TaskServer[Any] = TaskServer("main", tasks=True, lifespan=lifespan)

    @mcp.tool()
    async def own(ctx: Context[Any, Any]) -> str:
        return str(ctx.request_context.lifespan_context)

    mcp.mount(maps(tasks), prefix)
    return mcp


@pytest.mark.parametrize("run", [inline, in_job])
@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        (TOOL, "geo_draw", "blue with the maps' state"),
        (TOOL, "own", "the main state"),
        (ComponentKind.PROMPT, "geo_ask", "where?"),
        (ComponentKind.RESOURCE_TEMPLATE, "map://geo/paris", "paris"),
    ],
)
def test_a_mounted_component_runs_under_its_prefix_with_its_own_lifespan(
    run: Callable[..., str], kind: ComponentKind, name: str, text: str
) -> None:
    assert json.dumps(text) in run(main(), ComponentCall(Component(kind=kind, name=name)))


def test_none_inherits_from_the_outer_server_and_all_else_stays() -> None:
    assert config_of(main(), TOOL, "geo_draw") == TaskConfig()
    assert config_of(main(tasks=False), TOOL, "geo_draw") == TaskConfig(mode="forbidden")
    assert config_of(main(tasks=TaskConfig(retries=1)), TOOL, "geo_draw") == TaskConfig(retries=1)


def test_servers_are_mounted_on_mounted_servers() -> None:
    outer: TaskServer[Any] = TaskServer("outer")
    outer.mount(main(), "a")
    assert "blue with the maps' state" in inline(outer, ComponentCall(Component(name="a_geo_draw")))
    assert "the main state" in inline(outer, ComponentCall(Component(name="a_own")))


def test_what_is_added_and_removed_later_is_served_and_gone() -> None:
    inner, outer = TaskServer[Any]("inner"), TaskServer[Any]("outer")
    outer.mount(inner, "in")
    inner.add_tool(lambda: "late", name="late")
    inner.prompt("ask")(lambda: "late")
    assert [tool.name for tool in asyncio.run(outer.list_tools())] == ["in_late"]
    inner.remove_tool("late")
    inner.remove_prompt("ask")
    assert asyncio.run(outer.list_tools()) == []
    assert asyncio.run(outer.list_prompts()) == []


def test_two_mounted_servers_with_the_same_names_are_refused() -> None:
    mcp = main()
    with pytest.raises(DeclarationError, match=r"tool 'geo_draw' is declared twice: at .*py:\d+ and at .*py:\d+\. "):
        mcp.mount(maps(), "geo")


@pytest.mark.parametrize("prefix", ["a b", "a/", "1"])
def test_a_prefix_is_a_name(prefix: str) -> None:
    with pytest.raises(DeclarationError, match="use letters, digits and underscores"):
        main(prefix)


def test_a_server_is_not_mounted_on_itself() -> None:
    outer, inner = TaskServer[Any]("outer"), TaskServer[Any]("inner")
    outer.mount(inner)
    for server, other in ((outer, outer), (inner, outer)):
        with pytest.raises(DeclarationError, match="cannot be mounted on itself"):
            server.mount(other)


class Nobody:
    """A verifier that knows no token."""

    async def verify_token(self, token: str) -> None:
        return None


def test_a_server_that_verifies_tokens_is_not_opened_by_mounting_it() -> None:
    auth = AuthSettings.model_validate({"issuer_url": "https://issuer.example", "resource_server_url": None})
    guarded: TaskServer[Any] = TaskServer("guarded", token_verifier=Nobody(), auth=auth)
    outer: TaskServer[Any] = TaskServer("outer", token_verifier=Nobody(), auth=auth)
    with pytest.raises(DeclarationError, match=r"server 'guarded' verifies tokens, .* open to everybody here"):
        TaskServer[Any]("open").mount(guarded)
    outer.mount(guarded)
    assert [each.server for each in outer._registrar.mounted()] == [guarded]
