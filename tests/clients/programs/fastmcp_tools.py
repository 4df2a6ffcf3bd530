"""The tools that the servers of both versions of FastMCP offer. Runs in the server's own environment."""

import asyncio
from datetime import timedelta

from fastmcp import FastMCP
from fastmcp.dependencies import Progress
from fastmcp.exceptions import ToolError
from fastmcp.utilities.tasks import TaskConfig

QUICK = TaskConfig(mode="optional", poll_interval=timedelta(milliseconds=100))


def add_tools(mcp: FastMCP) -> None:
    """Give the server its tools."""

    @mcp.tool(task=QUICK)
    async def add(a: int, b: int) -> int:
        return a + b

    @mcp.tool(task=QUICK)
    async def steps(count: int, progress: Progress = Progress()) -> str:
        await progress.set_total(count)
        for number in range(1, count + 1):
            await progress.set_message(f"step {number}")
            await progress.increment()
            await asyncio.sleep(0.3)
        return f"{count} steps done"

    @mcp.tool(task=QUICK)
    async def fails() -> str:
        raise ToolError("no disk")

    @mcp.tool
    async def inline(word: str) -> str:
        return word
