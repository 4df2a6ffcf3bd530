"""MCP as the server speaks it. A module of one protocol version begins with its name; all others are for any."""
