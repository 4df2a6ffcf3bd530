"""Rolls a service out, step by step, with time limits of Docket. For FastMCP 4."""

import asyncio
from datetime import timedelta

from docket import Retry, Timeout
from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.utilities.tasks import TaskConfig
from fastmcp_tasks import TasksExtension

mcp = FastMCP("rollout")
mcp.add_extension(TasksExtension())


@mcp.tool(task=TaskConfig(mode="required"))
async def roll_out(
    service: str,
    steps: int,
    ctx: Context,
    timeout: Timeout = Timeout(timedelta(minutes=10)),
    retry: Retry = Retry(attempts=3),
) -> str:
    """Replace the instances of a service."""
    if steps < 1:
        raise ToolError("nothing to do")
    for step in range(steps):
        await ctx.report_progress(step + 1, steps, f"step {step + 1}")
        await asyncio.sleep(0.01)
    return f"{service} runs anew, by task {ctx.task_id}"


@mcp.tool
async def state(service: str) -> str:
    """What runs now."""
    return f"{service}: 3 of 3"
