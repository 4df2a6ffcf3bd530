"""JSON-RPC errors, the same in both protocol versions."""

from __future__ import annotations

from mcptasks.client.client_errors import McpError
from mcptasks.model.base import JsonObject

INTERNAL_ERROR = -32603
METHOD_NOT_FOUND = -32601


def error_of(body: JsonObject) -> McpError:
    """The exception of a JSON-RPC error object."""
    return McpError(int(body.get("code", 0)), str(body.get("message", "unknown error")), body.get("data"))
