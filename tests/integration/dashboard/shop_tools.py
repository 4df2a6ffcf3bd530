"""Tools whose tasks the dashboard shows."""

from __future__ import annotations

import os
import time
from typing import Any

from mcp.server.mcpserver import Context
from pydantic import BaseModel

from mcptasks import TaskConfig, TaskServer, progress

mcp: TaskServer[Any] = TaskServer("shop", tasks=True)


class StockRow(BaseModel):
    """An article."""

    sku: str
    pieces: int


class StockList(BaseModel):
    """What a warehouse has."""

    warehouse: str
    rows: list[StockRow]


@mcp.tool()
def stock(warehouse: str = "Kiel", articles: int = 3) -> StockList:
    """List what a warehouse has."""
    print(f"opening {warehouse} <b>")
    return StockList(warehouse=warehouse, rows=[StockRow(sku=f"A-{n}", pieces=7 * n) for n in range(articles)])


@mcp.tool()
def count(steps: int = 20, pause: float = 0.1) -> int:
    """Count, with progress."""
    for step in range(steps):
        progress(step, steps, f"step {step}")
        print(f"step {step}", flush=True)
        time.sleep(pause)
    return steps


class Order(BaseModel):
    """How much is ordered."""

    pieces: int
    urgent: bool = False


@mcp.tool(task=TaskConfig(input_timeout=600))
async def reorder(ctx: Context[Any, Any], article: str) -> str:
    """Order more of an article, after a question."""
    found = await ctx.elicit(f"How many of {article}?", Order)
    return f"{found.data.pieces} of {article}" if found.action == "accept" else "nothing"


@mcp.tool(task=TaskConfig(retries=1))
def fragile() -> str:
    """Die."""
    print("reading prices.csv", flush=True)
    os._exit(3)
