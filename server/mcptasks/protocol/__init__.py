"""MCP on the wire, server side: what is common, and modules of one protocol version, which its name begins with."""
