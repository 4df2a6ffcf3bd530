"""What callers are told of arguments that do not fit: which one, and what is wrong, without a word about pydantic."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import pytest
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Discriminator

from mcptasks import TaskServer
from mcptasks.model.base import JsonObject
from mcptasks.model.task import ComponentKind
from mcptasks.protocol.catalogue import ArgumentsError

WRONG: list[tuple[JsonObject, str]] = [
    ({}, "'a' is missing"),
    ({"a": "x"}, "'a': input should be a valid integer, unable to parse string as an integer"),
    ({"a": 1, "rows": [1, "y"]}, "'rows.1': input should be a valid integer, unable to parse string as an integer"),
    ({"rows": "z"}, "'a' is missing; 'rows': input should be a valid list"),
    ({"a": 1, "rows": ["no"] * 7}, "'rows.0': input should be a valid integer"),
]


def server() -> TaskServer[Any]:
    mcp: TaskServer[Any] = TaskServer("x", tasks=True)

    @mcp.tool()
    def it(a: int, rows: list[int] | None = None) -> int:
        return a

    return mcp


@pytest.mark.parametrize(("arguments", "told"), WRONG)
def test_an_inline_call_names_each(arguments: JsonObject, told: str) -> None:
    with pytest.raises(ToolError) as refused:
        asyncio.run(server().call_tool("it", arguments))
    assert str(refused.value).startswith(f"Error executing tool it: {told}")
    assert "pydantic" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("arguments", "told"), WRONG)
def test_a_task_is_refused_with_the_same_words(arguments: JsonObject, told: str) -> None:
    target = server().catalogue.find(ComponentKind.TOOL, "it")
    assert target is not None
    with pytest.raises(ArgumentsError) as refused:
        target.check_arguments(arguments)
    assert str(refused.value).startswith(f"Invalid arguments for tool it: {told}")


def test_of_many_the_first_are_named() -> None:
    with pytest.raises(ToolError, match=r"'rows\.4': [^;]*; and 2 more$"):
        asyncio.run(server().call_tool("it", {"a": 1, "rows": ["no"] * 7}))


def test_what_a_caller_has_given_makes_no_line_and_no_colour_and_is_cut() -> None:
    mcp: TaskServer[Any] = TaskServer("x", tasks=True)

    class Circle(BaseModel):
        kind: Literal["circle"]

    class Square(BaseModel):
        kind: Literal["square"]

    Shape = Annotated[Circle | Square, Discriminator("kind")]  # noqa: N806 (a type)

    def draw(shape) -> str:  # type: ignore[no-untyped-def]
        return str(shape)

    draw.__annotations__["shape"] = Shape
    mcp.tool()(draw)
    with pytest.raises(ToolError) as refused:
        asyncio.run(mcp.call_tool("draw", {"shape": {"kind": "evil\n\x1b[31m" + "z" * 10**5}}))
    told = str(refused.value)
    assert "\n" not in told
    assert "\x1b" not in told
    assert len(told) < 1000


def test_what_a_tool_raises_itself_stays_its_own() -> None:
    mcp: TaskServer[Any] = TaskServer("x")

    @mcp.tool()
    def it() -> int:
        raise ToolError("the disk is full")

    with pytest.raises(ToolError, match=r"^Error executing tool it: the disk is full$"):
        asyncio.run(mcp.call_tool("it", {}))
