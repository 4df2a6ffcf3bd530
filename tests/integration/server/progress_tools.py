"""Tools that report progress far more often than anybody could read it, in each of the ways there are."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path

from mcp.server.mcpserver import Context

from mcptasks import Progress, TaskConfig, TaskServer, progress

mcp = TaskServer("progress", tasks=TaskConfig(poll_interval=0.2))

TOTAL = 1_000_000
PAUSE_SECONDS = 0.01


def counting(until: str) -> Iterator[int]:
    """Numbers from 1 on, until the file is there."""
    return itertools.takewhile(lambda _: not Path(until).exists(), itertools.count(1))


@mcp.tool()
async def by_function(until: str) -> int:
    number = 0
    for number in counting(until):
        progress(number, TOTAL, f"at {number}")
        await asyncio.sleep(PAUSE_SECONDS)
    return number


@mcp.tool()
async def by_dependency(until: str, reporter: Progress = Progress()) -> int:
    number = 0
    reporter.set_total(TOTAL)
    for number in counting(until):
        reporter.set_message(f"at {number}")
        reporter.increment()
        await asyncio.sleep(PAUSE_SECONDS)
    return number


@mcp.tool()
async def by_context(until: str, ctx: Context) -> int:
    number = 0
    for number in counting(until):
        await ctx.report_progress(number, TOTAL, f"at {number}")
        await asyncio.sleep(PAUSE_SECONDS)
    return number
