"""Tools that both releases can serve."""

import time
from pathlib import Path

from mcptasks import TaskConfig, TaskServer, progress

mcp = TaskServer("skew")


@mcp.tool(task=TaskConfig(ttl=600))
def add(a: int, b: int) -> int:
    progress(1, 2, "half")
    return a + b


@mcp.tool(task=True)
def fail(why: str) -> str:
    raise ValueError(why)


@mcp.tool(task=True)
def wait_for(path: str) -> str:
    """Until there is such a file."""
    progress(0, 1, "waiting")
    while not Path(path).exists():
        time.sleep(0.05)
    return "there"
