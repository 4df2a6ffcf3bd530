"""Units of measurement. For FastMCP 2."""

from typing import Annotated

from fastmcp import FastMCP
from fastmcp.exceptions import ToolError
from pydantic import Field

mcp = FastMCP("units", "Converts between metric and imperial units.", on_duplicate_tools="error")

METRES = {"m": 1.0, "km": 1000.0, "mi": 1609.344, "ft": 0.3048}


@mcp.tool
def convert(
    amount: Annotated[float, Field(description="How much.")],
    source: str,
    target: str,
) -> float:
    """Convert a length."""
    try:
        return amount * METRES[source] / METRES[target]
    except KeyError as error:
        raise ToolError(f"unknown unit {error}") from error


@mcp.tool(
    name="list_units",
    tags={"catalog"},
    annotations={"readOnlyHint": True},
)
def units() -> list[str]:
    """All units."""
    return sorted(METRES)


@mcp.resource("units://{name}", tags={"catalog"}, mime_type="text/plain")
def unit(name: str) -> str:
    """A unit in metres."""
    return f"1 {name} = {METRES[name]} m"


if __name__ == "__main__":
    mcp.run()
