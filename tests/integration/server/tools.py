"""The server of the replica tests."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Elicit, Resolve
from pydantic import BaseModel

from mcptasks import TaskConfig, TaskServer, progress

mcp: TaskServer[Any] = TaskServer("replicas", tasks=TaskConfig(poll_interval=0.2))


@mcp.tool()
def add(a: int, b: int) -> int:
    return a + b


@mcp.tool()
async def steps(count: int, seconds: float = 0.5) -> str:
    """Progress on the way."""
    for step in range(count):
        progress(step, count, f"step {step} of {count}")
        await asyncio.sleep(seconds)
    return f"{count} steps done"


@mcp.tool(task=TaskConfig(mode="required", without_tasks="wait"))
async def waited_for(count: int) -> str:
    """Always a Job; a plain call waits for it."""
    return f"{await steps(count)} in process {os.getpid()}"


@mcp.tool(task=TaskConfig(answer_within=45))
def quick() -> int:
    """Over before anybody would poll."""
    return os.getpid()


@mcp.tool(task=False)
async def inline(count: int) -> str:
    """Runs in the server."""
    return await steps(count)


@mcp.tool(task=TaskConfig(poll_interval=600))
async def rarely_polled(count: int) -> str:
    """Who does not listen hears of it too late."""
    return await steps(count)


class Name(BaseModel):
    name: str


def who() -> Elicit[Name]:
    return Elicit("Who?", Name)


@mcp.tool()
def greet(name: Annotated[Name, Resolve(who)]) -> str:
    """Asks before it becomes a task."""
    return f"Hello, {name.name}, from process {os.getpid()}!"


class Sure(BaseModel):
    ok: bool


@mcp.tool()
async def asks_twice(ctx: Context[Any, Any]) -> str:
    """Two questions at once while it runs."""
    first, second = await asyncio.gather(ctx.elicit("First?", Sure), ctx.elicit("Second?", Sure))
    return f"{first.action} and {second.action}"


@mcp.tool()
def surroundings(ctx: Context[Any, Any]) -> dict[str, Any]:
    """What the tool knows of the request that it belongs to."""
    return {"traceparent": os.environ.get("TRACEPARENT"), "meta": dict(ctx.request_context.meta or {})}
