"""The tools of the picture: work of a few kinds, none of which does anything."""

import time

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel

from mcptasks import TaskConfig, TaskServer, progress

mcp = TaskServer("workshop")


class Decision(BaseModel):
    """What is asked."""

    delete: bool


@mcp.tool(task=True)
def render_report(pages: int, seconds: float, done: int = 0) -> int:
    """Render pages, so many seconds each; some are there already."""
    for page in range(done, pages):
        progress(page, pages, f"page {page + 1} of {pages}")
        time.sleep(seconds)
    return pages


@mcp.tool(task=True)
def transcribe(minutes: int, seconds: float, done: int = 0) -> int:
    """Transcribe a recording, so many seconds for each of its minutes."""
    for minute in range(done, minutes):
        progress(minute, minutes, f"minute {minute}: two people speak")
        time.sleep(seconds)
    return minutes


@mcp.tool(task=True)
def import_orders(file: str) -> int:
    """Import what is not there."""
    time.sleep(1)
    raise ToolError(f"{file}: line 812 has no date")


@mcp.tool(task=TaskConfig(input_timeout=3600))
async def clean_up(folder: str, ctx: Context) -> str:
    """Ask before anything is deleted."""
    answer = await ctx.elicit(f"Delete 37 old exports in {folder}?", Decision)
    return answer.action
