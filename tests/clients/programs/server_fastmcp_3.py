"""A FastMCP 3 server with tasks of every kind: python server_fastmcp_3.py PORT."""

import asyncio
import sys
from datetime import timedelta

from fastmcp import Context, FastMCP
from fastmcp.dependencies import Progress
from fastmcp.exceptions import ToolError
from fastmcp.utilities.tasks import TaskConfig

mcp = FastMCP("three")
quick = TaskConfig(mode="optional", poll_interval=timedelta(milliseconds=100))


@mcp.tool(task=quick)
async def add(a: int, b: int) -> int:
    return a + b


@mcp.tool(task=quick)
async def steps(count: int, progress: Progress = Progress()) -> str:
    await progress.set_total(count)
    for number in range(1, count + 1):
        await progress.set_message(f"step {number}")
        await progress.increment()
        await asyncio.sleep(0.3)
    return f"{count} steps done"


@mcp.tool(task=quick)
async def fails() -> str:
    raise ToolError("no disk")


@mcp.tool(task=quick)
async def confirm(ctx: Context) -> str:
    answer = await ctx.elicit("Delete it?", response_type=bool)
    return f"{answer.action} {getattr(answer, 'data', None)}"


@mcp.tool
async def inline(word: str) -> str:
    return word


@mcp.prompt(task=quick)
async def greet(name: str) -> str:
    return f"Greet {name}"


@mcp.resource("text://report", task=quick)
async def report() -> str:
    return "all is well"


mcp.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
