"""The server of these tests."""

import os
import subprocess
import sys
import tempfile
import time

from mcp.server.mcpserver import Context
from pydantic import BaseModel

from mcptasks import TaskConfig, TaskServer, progress

mcp = TaskServer("cli-tests")


@mcp.tool(task=TaskConfig(poll_interval=0.1))
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    print(f"adding {a} and {b}", flush=True)
    return a + b


@mcp.tool(task=TaskConfig(poll_interval=0.1))
def count(steps: int, with_child: bool = False) -> int:
    """Count, a step in 0.1 s."""
    if with_child:
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    for step in range(steps):
        print(f"step {step}", flush=True)
        progress(step, steps, f"step {step}")
        time.sleep(0.1)
    return steps


@mcp.tool(task=TaskConfig(poll_interval=0.1, retries=1))
def crash() -> str:
    """End the process, twice."""
    print(f"crashing, process {os.getpid()}", flush=True)
    os._exit(3)


class Sure(BaseModel):
    """What `confirm` asks."""

    yes: bool
    why: str = "no reason"


@mcp.tool(task=TaskConfig(poll_interval=0.1, input_timeout=600))
async def confirm(what: str, ctx: Context) -> str:
    """Ask, and tell the answer."""
    answer = await ctx.elicit(f"Really {what}?", Sure)
    return f"{answer.data.yes}, {answer.data.why}" if answer.action == "accept" else answer.action


@mcp.tool(task=True)
def temporary_folder() -> str:
    return tempfile.gettempdir()
