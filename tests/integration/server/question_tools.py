"""The server of the tests of questions."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import Context
from pydantic import BaseModel

from mcptasks import TaskConfig, TaskServer

mcp: TaskServer[Any] = TaskServer("asking", tasks=TaskConfig(poll_interval=0.2))


class Answer(BaseModel):
    word: str


@mcp.tool()
async def ask(ctx: Context[Any, Any]) -> str:
    """Asks its caller twice, one question after the other."""
    first = await ctx.elicit("First?", Answer)
    second = await ctx.elicit("Second?", Answer)
    return f"{first.action} {second.data.word if second.action == 'accept' else ''}".strip()
