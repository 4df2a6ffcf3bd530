"""Tools with a database: orders in SQLite, each call in a transaction that is a dependency.

Run it with `mcptasks dev examples/orders.py`, then call it:

    mcptasks call http://127.0.0.1:8000/mcp import_orders --arg csv="$(cat orders.csv)"
    mcptasks call http://127.0.0.1:8000/mcp revenue --arg year=2026

On a cluster the database belongs on a volume that the tools' McpTaskTemplate mounts, or is one that is reached over the
network; the program stays the same.
"""

import csv as csv_format
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field, ValidationError

from mcptasks import Depends, Progress, TaskConfig, TaskServer

mcp = TaskServer("orders", tasks=TaskConfig(poll_interval=0.5, timeout=600))

DATABASE = Path(os.environ.get("ORDERS_DATABASE") or Path(__file__).with_name("orders.db"))
SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    number INTEGER PRIMARY KEY, day TEXT NOT NULL, customer TEXT NOT NULL, cents INTEGER NOT NULL
)
"""
BUSY_SECONDS = 30


class Order(BaseModel):
    """A line of an import."""

    number: Annotated[int, Field(gt=0)]
    day: date
    customer: Annotated[str, Field(min_length=1)]
    cents: Annotated[int, Field(ge=0)]


class Month(BaseModel):
    """What came in in a month."""

    month: int
    orders: int
    cents: int
    best_customer: str


def database() -> Iterator[sqlite3.Connection]:
    """A connection of the call's own. Other Pods write at the same time, hence the patience."""
    with closing(sqlite3.connect(DATABASE, timeout=BUSY_SECONDS)) as connection:
        connection.execute(SCHEMA)
        yield connection


def transaction(connection: sqlite3.Connection = Depends(database)) -> Iterator[sqlite3.Connection]:
    """The same connection, committed when the call succeeds and rolled back when it fails."""
    with connection:
        yield connection


@mcp.tool()
def import_orders(
    csv: Annotated[str, Field(description="Columns: number, day, customer, cents.")],
    db: sqlite3.Connection = Depends(transaction),
    progress: Progress = Progress(),
) -> int:
    """Import orders, all or none. An order that is there already is replaced. Gives the number of orders in all."""
    rows = list(csv_format.DictReader(csv.splitlines()))
    progress.set_total(max(1, len(rows)))
    for line, row in enumerate(rows, 2):
        order = checked(row, line)
        db.execute(
            "INSERT OR REPLACE INTO orders VALUES (:number, :day, :customer, :cents)", order.model_dump(mode="json")
        )
        progress.increment()
    (count,) = db.execute("SELECT count(*) FROM orders").fetchone()
    return int(count)


def checked(row: dict[str, str], line: int) -> Order:
    """The order of a line. Raises ToolError for one that is none; the caller can act on it."""
    try:
        return Order.model_validate(row)
    except ValidationError as error:
        problem = error.errors()[0]
        raise ToolError(f"line {line}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from error


@mcp.tool()
def revenue(year: int, db: sqlite3.Connection = Depends(database)) -> list[Month]:
    """The months of a year that had orders: how many, for how much, and who ordered most."""
    totals: dict[int, Month] = {}
    best: dict[int, int] = {}
    query = (
        "SELECT CAST(strftime('%m', day) AS INTEGER), customer, count(*), sum(cents) FROM orders "
        "WHERE strftime('%Y', day) = ? GROUP BY 1, 2 ORDER BY 1, 2"
    )
    for month, customer, orders, cents in db.execute(query, [f"{year:04}"]):
        total = totals.setdefault(month, Month(month=month, orders=0, cents=0, best_customer=customer))
        total.orders += orders
        total.cents += cents
        if cents > best.get(month, -1):
            best[month], total.best_customer = cents, customer
    return list(totals.values())
