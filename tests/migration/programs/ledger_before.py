"""A ledger that says who has booked. For FastMCP 4."""

from fastmcp import FastMCP
from fastmcp.dependencies import CurrentAccessToken, CurrentHeaders
from fastmcp.server.auth.providers.jwt import StaticTokenVerifier
from fastmcp.server.middleware.timing import TimingMiddleware
from fastmcp_tasks import TasksExtension

verifier = StaticTokenVerifier({"secret": {"client_id": "books", "scopes": ["write"]}})
mcp = FastMCP("ledger", auth=verifier, middleware=[TimingMiddleware()])
mcp.add_extension(TasksExtension())


@mcp.tool(task=True)
async def book(account: str, cents: int, token=CurrentAccessToken()) -> str:
    """Book an amount."""
    return f"{cents} to {account} by {token.client_id}"


@mcp.tool
async def trace(headers: dict = CurrentHeaders()) -> str:
    """Which request this is."""
    return headers.get("x-request-id", "none")
