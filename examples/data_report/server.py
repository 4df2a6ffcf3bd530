"""A report on public data with DuckDB: a table, a chart and a Parquet file in one result, and SQL for more questions.

The data is the daily weather of Seattle from 2012 to 2015 (NOAA), which the package `vega_datasets` ships. README.md
says how to run it here and in a cluster.
"""

import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import duckdb
from matplotlib.figure import Figure
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.utilities.types import Image
from pydantic import BaseModel, Field
from vega_datasets import local_data

from mcptasks import Depends, File, TaskConfig, TaskServer, progress

mcp = TaskServer("data-report")

MOST_ROWS = 1000
LIMITS = {"memory_limit": "600MB", "max_temp_directory_size": "1GB"}
"""Less than Pods have in values.yaml: Python needs memory too, and a Pod over its limit is killed without a word."""
MONTHS = """
SELECT month(date) AS month, round(sum(precipitation) / count(DISTINCT year(date)), 1) AS rain_mm,
    round(avg(temp_max), 1) AS warmest, round(avg(temp_min), 1) AS coldest, mode(weather) AS mostly
FROM weather WHERE year(date) BETWEEN ? AND ? GROUP BY 1 ORDER BY 1
"""
# Days without rain that follow each other have the same difference of date and number: they are one island.
DRY_SPELL = """
WITH dry AS (
    SELECT date, date - row_number() OVER (ORDER BY date)::INTEGER AS island
    FROM weather WHERE precipitation = 0 AND year(date) BETWEEN ? AND ?
)
SELECT count(*) AS days, min(date) AS first, max(date) AS last
FROM dry GROUP BY island ORDER BY days DESC, first LIMIT 1
"""

Year = Annotated[int, Field(ge=2012, le=2015)]


class Answer(BaseModel):
    """Rows of a query."""

    columns: list[str]
    rows: list[list[Any]]
    is_complete: bool = Field(description=f"Whether these are all rows; no more than {MOST_ROWS} are given.")


def weather() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database of the call's own in memory, with the table `weather`, and a folder for what does not fit."""
    with (
        tempfile.TemporaryDirectory() as folder,
        duckdb.connect(config={**LIMITS, "temp_directory": folder}) as connection,
    ):
        connection.execute("CREATE TABLE weather AS FROM read_csv(?)", [str(local_data.seattle_weather.filepath)])
        yield connection


def closed_weather(connection: duckdb.DuckDBPyConnection = Depends(weather)) -> duckdb.DuckDBPyConnection:
    """The same for SQL of others: no files but in its own folder, no network, no way to allow them again."""
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


@mcp.tool(task=TaskConfig(template="reports", without_tasks="wait", timeout=900, idempotent=True))
def weather_report(
    first: Year = 2012, last: Year = 2015, db: duckdb.DuckDBPyConnection = Depends(weather)
) -> list[str | Image | File]:
    """The weather of Seattle by month: a table to read, a chart to show, all days as a Parquet file to go on with."""
    if first > last:
        raise ToolError(f"{first} is after {last}")
    progress(0, 3, "by month")
    months = db.execute(MONTHS, [first, last]).fetchall()
    (spell,) = db.execute(DRY_SPELL, [first, last]).fetchall()
    progress(1, 3, "the chart")
    chart = Image(data=drawn(months, f"Seattle, {first} to {last}"), format="png")
    progress(2, 3, "all days")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"seattle-weather-{first}-{last}.parquet"
        days = db.sql("FROM weather WHERE year(date) BETWEEN $first AND $last", params={"first": first, "last": last})
        days.write_parquet(str(path))
        return [as_text(months, spell), chart, File(path)]


@mcp.tool(task=TaskConfig(template="queries", timeout=60, idempotent=True))
def query(
    sql: Annotated[str, Field(description="DuckDB's SQL. The table is weather(date, precipitation, temp_max, ...).")],
    db: duckdb.DuckDBPyConnection = Depends(closed_weather),
) -> Answer:
    """Ask the data anything, in SQL."""
    try:
        rows = db.execute(sql).fetchmany(MOST_ROWS + 1)
    except duckdb.Error as error:
        # DuckDB says what is wrong and where: a model can mend its query.
        raise ToolError(str(error)) from error
    columns = [str(column[0]) for column in db.description or ()]
    return Answer(columns=columns, rows=[list(row) for row in rows[:MOST_ROWS]], is_complete=len(rows) <= MOST_ROWS)


def as_text(months: Sequence[Sequence[Any]], spell: Sequence[Any]) -> str:
    """A Markdown table, and the longest time without rain."""
    head = ["| month | rain, mm | warmest, °C | coldest, °C | mostly |", "|---|---|---|---|---|"]
    lines = [f"| {' | '.join(str(cell) for cell in row)} |" for row in months]
    dry = "Longest time without rain: {} days, {} to {}.".format(*spell)
    return "\n".join([*head, *lines, "", dry])


def drawn(months: Sequence[Sequence[Any]], title: str) -> bytes:
    """Rain as bars, temperatures as lines; a PNG."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    rain = figure.subplots()
    numbers = [row[0] for row in months]
    rain.bar(numbers, [row[1] for row in months], color="#9ec9e2")
    rain.set(title=title, xlabel="month", ylabel="rain, mm", xticks=numbers)
    degrees = rain.twinx()
    degrees.plot(numbers, [row[2] for row in months], color="#d1495b", label="warmest")
    degrees.plot(numbers, [row[3] for row in months], color="#30638e", label="coldest")
    degrees.set_ylabel("°C")
    degrees.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    return picture.getvalue()
