"""Rolls a service out, step by step, with time limits of Docket. For FastMCP 4."""

import asyncio
from datetime import timedelta

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcptasks import CurrentTask, TaskConfig, TaskInfo, TaskServer


mcp = TaskServer("rollout")


@mcp.tool(task=TaskConfig(mode="required", timeout=timedelta(minutes=10), retries=2))
async def roll_out(
    service: str,
    steps: int,
    ctx: Context,
    task: TaskInfo = CurrentTask(),
) -> str:
    """Replace the instances of a service."""
    if steps < 1:
        raise ToolError("nothing to do")
    for step in range(steps):
        await ctx.report_progress(step + 1, steps, f"step {step + 1}")
        await asyncio.sleep(0.01)
    return f"{service} runs anew, by task {task.id}"


@mcp.tool()
async def state(service: str) -> str:
    """What runs now."""
    return f"{service}: 3 of 3"
