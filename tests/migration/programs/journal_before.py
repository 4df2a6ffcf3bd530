"""Keeps a connection for as long as it runs. For FastMCP 3."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastmcp import Context as Call
from fastmcp import FastMCP
from fastmcp.dependencies import CurrentContext
from fastmcp.utilities.types import File


@asynccontextmanager
async def lifespan(server: FastMCP) -> AsyncIterator[dict[str, sqlite3.Connection]]:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.execute("CREATE TABLE entries (text TEXT)")
    try:
        yield {"db": connection}
    finally:
        connection.close()


mcp = FastMCP("journal", lifespan=lifespan, version="2.0")


@mcp.tool
async def write(text: str, ctx: Call) -> int:
    """Write an entry."""
    db = ctx.lifespan_context["db"]
    db.execute("INSERT INTO entries VALUES (?)", [text])
    await ctx.debug("written", extra={"length": len(text)})
    return db.execute("SELECT count(*) FROM entries").fetchone()[0]


@mcp.tool
async def exported(context: Call = CurrentContext()) -> File:
    """All entries as a file."""
    rows = context.lifespan_context["db"].execute("SELECT text FROM entries").fetchall()
    return File(data="\n".join(text for (text,) in rows).encode(), format="txt")
