"""The server of the tests of questions."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import Context
from pydantic import BaseModel

from mcptasks import CurrentContext, Depends, TaskConfig, TaskServer

mcp: TaskServer[Any] = TaskServer("asking", tasks=TaskConfig(poll_interval=0.2))


class Answer(BaseModel):
    word: str


@mcp.tool()
async def ask(ctx: Context[Any, Any]) -> str:
    """Asks its caller twice, one question after the other."""
    first = await ctx.elicit("First?", Answer)
    second = await ctx.elicit("Second?", Answer)
    return f"{first.action} {second.data.word if second.action == 'accept' else ''}".strip()


async def asked_word(ctx: Context[Any, Any] = CurrentContext()) -> str:
    answer = await ctx.elicit("Which word?", Answer)
    return answer.data.word if answer.action == "accept" else ""


@mcp.tool()
async def ask_by_dependency(word: str = Depends(asked_word), ctx: Context[Any, Any] = CurrentContext()) -> str:
    """Asks by way of a factory, and then with a context that is a dependency."""
    more = await ctx.elicit("More?", Answer)
    return f"{word} {more.action}"
