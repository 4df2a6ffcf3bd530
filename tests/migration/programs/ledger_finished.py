"""A ledger that says who has booked. For FastMCP 4."""

from mcptasks import CurrentAccessToken, CurrentHeaders, TaskServer

mcp = TaskServer("ledger")


@mcp.tool(task=True)
async def book(account: str, cents: int, token=CurrentAccessToken()) -> str:
    """Book an amount."""
    return f"{cents} to {account} by {token.client_id}"


@mcp.tool()
async def trace(headers: dict = CurrentHeaders()) -> str:
    """Which request this is."""
    return headers.get("x-request-id", "none")
