"""Payroll, registered from a class. For FastMCP 2."""

from __future__ import annotations

from fastmcp import Context, FastMCP


class Payroll:
    def __init__(self, server: FastMCP) -> None:
        self.mcp = server
        self.rate = 21.5
        self.mcp.tool(self.pay, name="pay", description="What somebody earns.")
        self.mcp.tool(self.raise_rate)
        self.mcp.prompt(self.letter)

    async def pay(self, hours: float, ctx: Context) -> float:
        await ctx.report_progress(1, 1)
        return hours * self.rate

    def raise_rate(self, percent: float) -> float:
        """What the rate would be."""
        return round(self.rate * (1 + percent / 100), 2)

    def letter(self, name: str) -> str:
        """A letter about it."""
        return f"Write to {name} about the new rate."


app = FastMCP("payroll")
payroll = Payroll(app)
