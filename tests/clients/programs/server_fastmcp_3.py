"""A FastMCP 3 server with tasks of every kind: python server_fastmcp_3.py PORT."""

import sys

from fastmcp import Context, FastMCP
from fastmcp_tools import QUICK, add_tools

mcp = FastMCP("three")
add_tools(mcp)


@mcp.tool(task=QUICK)
async def confirm(ctx: Context) -> str:
    answer = await ctx.elicit("Delete it?", response_type=bool)
    return f"{answer.action} {getattr(answer, 'data', None)}"


@mcp.prompt(task=QUICK)
async def greet(name: str) -> str:
    return f"Greet {name}"


@mcp.resource("text://report", task=QUICK)
async def report() -> str:
    return "all is well"


mcp.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
