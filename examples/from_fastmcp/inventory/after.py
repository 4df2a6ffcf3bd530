"""The stock of a warehouse, in SQLite. Moved over from FastMCP 3.

Run it with `mcptasks dev after.py`.
"""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from mcptasks import Depends, Progress, TaskConfig, TaskServer

mcp = TaskServer("inventory")

DATABASE = Path(__file__).with_name("inventory.db")
SCHEMA = "CREATE TABLE IF NOT EXISTS stock (article TEXT PRIMARY KEY, amount INTEGER NOT NULL, cents INTEGER NOT NULL)"

quick = TaskConfig(mode="optional", poll_interval=timedelta(milliseconds=200))


class Delivery(BaseModel):
    """Goods that came in; with a negative amount: that went out."""

    article: str
    amount: int
    cents: Annotated[int, Field(ge=0, description="Price of one.")] = 0


class Valuation(BaseModel):
    """What the stock is worth."""

    articles: int
    amount: int
    cents: int


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    """A transaction: committed when the call succeeds, rolled back when it fails."""
    connection = sqlite3.connect(DATABASE)
    try:
        with connection:
            connection.execute(SCHEMA)
            yield connection
    finally:
        connection.close()


@mcp.tool(task=quick)
async def book(
    deliveries: list[Delivery], db: sqlite3.Connection = Depends(database), progress: Progress = Progress()
) -> Valuation:
    """Book deliveries, all or none of them."""
    await progress.set_total(max(1, len(deliveries)))
    for delivery in deliveries:
        await progress.set_message(f"booking {delivery.article}")
        if amount_of(db, delivery.article) + delivery.amount < 0:
            raise ToolError(f"There are only {amount_of(db, delivery.article)} of {delivery.article}")
        db.execute(
            "INSERT INTO stock VALUES (:article, :amount, :cents) ON CONFLICT (article) "
            "DO UPDATE SET amount = amount + :amount, cents = max(cents, :cents)",
            delivery.model_dump(),
        )
        await progress.increment()
    return valuation_of(db)


@mcp.tool(task=quick)
async def valuation(db: sqlite3.Connection = Depends(database)) -> Valuation:
    """What the stock is worth now."""
    return valuation_of(db)


@mcp.tool()
async def amount(article: str, db: sqlite3.Connection = Depends(database)) -> int:
    """How many there are of an article."""
    return amount_of(db, article)


@mcp.prompt(task=quick)
async def reorder(below: str, db: sqlite3.Connection = Depends(database)) -> str:
    """Ask for an order of what is running out."""
    rows = db.execute("SELECT article, amount FROM stock WHERE amount < ? ORDER BY article", [int(below)])
    lines = [f"- {article}: {left} left" for article, left in rows]
    return "\n".join(["Write an order to our suppliers for:", *lines])


@mcp.resource("stock://{article}", task=quick)
async def article_card(article: str, db: sqlite3.Connection = Depends(database)) -> str:
    """What is known of an article."""
    return f"{article}: {amount_of(db, article)} in stock"


def amount_of(db: sqlite3.Connection, article: str) -> int:
    row = db.execute("SELECT amount FROM stock WHERE article = ?", [article]).fetchone()
    return int(row[0]) if row else 0


def valuation_of(db: sqlite3.Connection) -> Valuation:
    query = "SELECT count(*), coalesce(sum(amount), 0), coalesce(sum(amount * cents), 0) FROM stock"
    articles, total, cents = db.execute(query).fetchone()
    return Valuation(articles=articles, amount=total, cents=cents)


if __name__ == "__main__":
    mcp.run(transport="streamable-http", port=int(sys.argv[1]))
