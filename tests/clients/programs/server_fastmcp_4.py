"""A FastMCP 4 server with tasks: python server_fastmcp_4.py PORT."""

import asyncio
import sys
from datetime import timedelta

from fastmcp import Context, FastMCP
from fastmcp.dependencies import Progress
from fastmcp.exceptions import ToolError
from fastmcp.utilities.tasks import TaskConfig
from fastmcp_tasks import TasksExtension
from mcp_types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult

mcp = FastMCP("four")
mcp.add_extension(TasksExtension())
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
async def confirm(ctx: Context) -> str | InputRequiredResult:
    answers = ctx.input_responses
    if not answers:
        schema = {"type": "object", "properties": {"value": {"type": "boolean"}}, "required": ["value"]}
        params = ElicitRequestFormParams(message="Delete it?", requested_schema=schema)
        return InputRequiredResult(input_requests={"sure": ElicitRequest(params=params)})
    answer = answers["sure"]
    return f"{answer.action} {(answer.content or {}).get('value')}"


@mcp.tool
async def inline(word: str) -> str:
    return word


@mcp.prompt
async def greet(name: str) -> str:
    return f"Greet {name}"


@mcp.resource("text://report")
async def report() -> str:
    return "all is well"


mcp.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
