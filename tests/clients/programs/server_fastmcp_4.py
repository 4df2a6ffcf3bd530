"""A FastMCP 4 server with tasks: python server_fastmcp_4.py PORT."""

import sys

from fastmcp import Context, FastMCP
from fastmcp_tasks import TasksExtension
from fastmcp_tools import QUICK, add_tools
from mcp_types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult

mcp = FastMCP("four")
mcp.add_extension(TasksExtension())
add_tools(mcp)


@mcp.tool(task=QUICK)
async def confirm(ctx: Context) -> str | InputRequiredResult:
    answers = ctx.input_responses
    if not answers:
        schema = {"type": "object", "properties": {"value": {"type": "boolean"}}, "required": ["value"]}
        params = ElicitRequestFormParams(message="Delete it?", requested_schema=schema)
        return InputRequiredResult(input_requests={"sure": ElicitRequest(params=params)})
    answer = answers["sure"]
    return f"{answer.action} {(answer.content or {}).get('value')}"


@mcp.prompt
async def greet(name: str) -> str:
    return f"Greet {name}"


@mcp.resource("text://report")
async def report() -> str:
    return "all is well"


mcp.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
