"""The same tools for mcptasks, under a name for each way to run them."""

import os
import time
from typing import Any

from mcptasks import TaskConfig, TaskServer, progress

mcp: TaskServer[Any] = TaskServer("warm")


@mcp.tool(task=TaskConfig(mode="required", template="warm"))
def add(a: int, b: int) -> int:
    print("executed", flush=True)
    return a + b


@mcp.tool(task=TaskConfig(mode="required", template="warm-once"))
def add_once(a: int, b: int) -> int:
    return add(a, b)


@mcp.tool(task=TaskConfig(mode="required"))
def add_cold(a: int, b: int) -> int:
    return add(a, b)


@mcp.tool(task=TaskConfig(mode="required", template="warm"))
def nap(seconds: float) -> str:
    """Sleep, and tell the process by its id."""
    print("executed", flush=True)
    progress(0, 1, f"pid {os.getpid()}")
    time.sleep(seconds)
    return "rested"
