"""A FastMCP 4 server whose tasks run in workers behind Redis: python fastmcp_server.py PORT, in its own environment."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from fastmcp import FastMCP
from fastmcp.utilities.tasks import TaskConfig
from fastmcp_tasks import TasksExtension

QUICK = TaskConfig(mode="optional", poll_interval=timedelta(milliseconds=100))

mcp = FastMCP("rival")
mcp.add_extension(TasksExtension())


@mcp.tool(task=QUICK)
async def add(a: int, b: int) -> int:
    print("executed", flush=True)
    return a + b


@mcp.tool(task=QUICK)
async def nap(seconds: float, mark: str = "") -> str:
    """Sleep; the file `mark`, where one is named, is there for as long as the tool runs."""
    print("executed", flush=True)
    if mark:
        Path(mark).touch()
    try:
        await asyncio.sleep(seconds)
    finally:
        if mark:
            Path(mark).unlink()
    return "rested"


if __name__ == "__main__":
    mcp.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
