"""Asks people. For FastMCP 3."""

from mcp.server.mcpserver import Context
from mcptasks import TaskServer
from pydantic import BaseModel

mcp = TaskServer("surveys", tasks=True)


class Address(BaseModel):
    street: str
    town: str


@mcp.tool()
async def move(ctx: Context) -> str:
    """Ask for an address."""
    answer = await ctx.elicit("Where do you live now?", schema=Address)
    if answer.action == "accept":
        return f"{answer.data.street}, {answer.data.town}"
    return "unknown"


@mcp.tool()
async def agree(topic: str, ctx: Context) -> bool:
    """Ask for a yes."""
    answer = await ctx.elicit(f"Do you agree to {topic}?", schema=bool)
    return answer.action == "accept" and answer.data


@mcp.tool()
async def count(ctx: Context) -> int:
    """How often it was called."""
    number = (await ctx.get_state("calls") or 0) + 1
    await ctx.set_state("calls", number)
    return number
