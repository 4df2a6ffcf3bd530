"""The server that all clients talk to."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel

from mcptasks import TaskConfig, TaskServer, progress

POLL_SECONDS = 0.2

mcp: TaskServer[Any] = TaskServer("clients", tasks=TaskConfig(poll_interval=POLL_SECONDS))


class Sum(BaseModel):
    total: int
    terms: list[int]


@mcp.tool()
def add(a: int, b: int) -> Sum:
    """Structured output."""
    return Sum(total=a + b, terms=[a, b])


@mcp.tool()
async def steps(count: int = 3, seconds: float = 0.6) -> str:
    """Progress on the way."""
    for step in range(count):
        progress(step, count, f"step {step} of {count}")
        await asyncio.sleep(seconds)
    return f"{count} steps done"


@mcp.tool()
def refuse(message: str) -> str:
    """The tool's own error."""
    raise ToolError(message)


@mcp.tool()
def divide(a: int, b: int) -> float:
    """An error that the tool did not think of."""
    return a / b


@mcp.tool()
def protocol_error() -> str:
    """A JSON-RPC error."""
    raise MCPError(code=-32050, message="not like this", data={"why": "because"})


class Answer(BaseModel):
    word: str


@mcp.tool()
async def ask(ctx: Context[Any]) -> str:
    """A question on the way."""
    answer = await ctx.elicit("Which word?", Answer)
    return answer.data.word if answer.action == "accept" else answer.action


WAITED = TaskConfig(without_tasks="wait", poll_interval=POLL_SECONDS)


@mcp.tool(task=WAITED)
async def waited_steps(count: int = 3, seconds: float = 0.6) -> str:
    """As steps, in a Pod for everybody."""
    return await steps(count, seconds)


@mcp.tool(task=WAITED)
def hold(file: str) -> str:
    """Leaves in the file that it has begun, and that it was ended."""
    path = Path(file)
    path.write_text("begun")
    try:
        time.sleep(3600)
    finally:
        path.write_text("ended")
    return "nobody waits that long"


@mcp.tool(task=TaskConfig(mode="required", poll_interval=POLL_SECONDS))
def task_only(a: int) -> int:
    """Never inline."""
    return a


@mcp.tool(task=False)
def inline_only(a: int) -> int:
    """Never a task."""
    return a
