"""MCP on the wire, client side: Streamable HTTP, and a dialect for each protocol version."""
