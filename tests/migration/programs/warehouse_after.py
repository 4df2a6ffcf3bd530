"""Loads rows into a database in batches. For FastMCP 3."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

from mcptasks import Depends, Progress, TaskConfig, TaskServer

mcp = TaskServer(
    "warehouse",
    instructions="Loads and counts rows.",
)


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE rows (number INTEGER)")
        yield connection


@mcp.tool(task=TaskConfig(mode="optional", poll_interval=timedelta(seconds=1), timeout=120.0))
async def load(
    rows: int, batch: int = 100, db: sqlite3.Connection = Depends(database), progress: Progress = Progress()
) -> dict[str, int]:
    """Load that many rows."""
    await progress.set_total(rows)
    for start in range(0, rows, batch):
        numbers = range(start, min(rows, start + batch))
        db.executemany("INSERT INTO rows VALUES (?)", [(number,) for number in numbers])
        await progress.increment(len(numbers))
        await asyncio.sleep(0)
    (loaded,) = db.execute("SELECT count(*) FROM rows").fetchone()
    return {"loaded": loaded}


@mcp.tool(task=TaskConfig(timeout=30), structured_output=False)
async def check(rows: int) -> str:
    """Say whether that is too much."""
    return "too much" if rows > 1_000_000 else "fine"


@mcp.tool()
async def ping() -> str:
    """Whether it is there."""
    return "pong"


if __name__ == "__main__":
    mcp.run(transport="streamable-http", port=8000)
