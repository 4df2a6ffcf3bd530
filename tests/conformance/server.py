"""The server that the official conformance suite is run against: the tools that its scenarios ask for."""

from __future__ import annotations

import asyncio
from typing import Any

from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    TextContent,
)
from pydantic import BaseModel

from mcptasks import TaskConfig, TaskServer

mcp: TaskServer[Any] = TaskServer("conformance", tasks=TaskConfig(poll_interval=0.2))

TASK_ONLY = TaskConfig(mode="required", poll_interval=0.2)


class Confirmation(BaseModel):
    confirm: bool


class Name(BaseModel):
    name: str


@mcp.tool(task=False)
def greet(name: str) -> str:
    """Never a task."""
    return f"Hello, {name}!"


@mcp.tool()
async def slow_compute(seconds: float, label: str) -> str:
    """Takes its time."""
    await asyncio.sleep(seconds)
    return f"computed {label}"


@mcp.tool(task=TASK_ONLY)
async def failing_job() -> CallToolResult:
    """Ends with the tool's own error."""
    await asyncio.sleep(0.5)
    return CallToolResult(content=[TextContent(text="the job failed")], is_error=True)


@mcp.tool(task=TASK_ONLY)
async def protocol_error_job() -> str:
    """Ends with a JSON-RPC error."""
    raise MCPError(code=-32603, message="the job cannot be done", data={"why": "it is made so"})


@mcp.tool(task=TASK_ONLY)
async def confirm_delete(filename: str, ctx: Context[Any, Any]) -> str:
    """Asks one question while it runs."""
    answer = await ctx.elicit(f"Delete {filename}?", Confirmation)
    if answer.action == "accept" and answer.data.confirm:
        return f"deleted {filename}"
    return f"kept {filename}"


@mcp.tool(task=TASK_ONLY)
async def multi_input(ctx: Context[Any, Any]) -> str:
    """Asks two questions at once while it runs."""
    answers = await asyncio.gather(ctx.elicit("Who?", Name), ctx.elicit("Who else?", Name))
    return ", ".join(answer.action for answer in answers)


@mcp.tool(task=TASK_ONLY)
async def test_tool_with_task(ctx: Context[Any, Any]) -> str | InputRequiredResult:
    """Asks before it becomes a task."""
    answer = (ctx.input_responses or {}).get("user_name")
    if not isinstance(answer, ElicitResult):
        question = ElicitRequestFormParams(
            message="What is your name?",
            requested_schema={"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        )
        return InputRequiredResult(input_requests={"user_name": ElicitRequest(params=question)})
    return f"Hello, {(answer.content or {}).get('name')}!"
