"""What the protocol versions want of HTTP beyond the SDK's transport."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Scope

from mcptasks.protocol.raw_answers import RawAnswers
from mcptasks.protocol.v2025_11_25_http import HandshakeHttp


def complete_transport(app: ASGIApp, is_call: Callable[[Scope], bool], max_body_bytes: int) -> ASGIApp:
    """The SDK's application with all that it does not do by itself.

    Args:
        app: the SDK's application.
        is_call: whether a request is one that it serves MCP to.
        max_body_bytes: the size up to which a request's body is looked at.
    """
    return RawAnswers(HandshakeHttp(app, is_call, max_body_bytes), is_call)
