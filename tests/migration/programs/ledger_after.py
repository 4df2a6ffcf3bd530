"""A ledger that says who has booked. For FastMCP 4."""

from mcptasks import CurrentAccessToken, CurrentHeaders, TaskServer
from fastmcp.server.auth.providers.jwt import StaticTokenVerifier
from fastmcp.server.middleware.timing import TimingMiddleware

verifier = StaticTokenVerifier({"secret": {"client_id": "books", "scopes": ["write"]}})
mcp = TaskServer("ledger")


@mcp.tool(task=True)
async def book(account: str, cents: int, token=CurrentAccessToken()) -> str:
    """Book an amount."""
    return f"{cents} to {account} by {token.client_id}"


@mcp.tool()
async def trace(headers: dict = CurrentHeaders()) -> str:
    """Which request this is."""
    return headers.get("x-request-id", "none")
