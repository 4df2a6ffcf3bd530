"""What the protocol versions want of HTTP beyond the SDK's transport."""

from __future__ import annotations

from starlette.types import ASGIApp

from mcptasks.protocol.v2025_11_25_http import HandshakeHttp


def complete_transport(app: ASGIApp, path: str, max_body_bytes: int) -> ASGIApp:
    """The SDK's application with all that it does not do by itself.

    Args:
        app: the SDK's application.
        path: where it serves MCP.
        max_body_bytes: the size up to which a request's body is looked at.
    """
    return HandshakeHttp(app, path, max_body_bytes)
