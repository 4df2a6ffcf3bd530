"""Refuses requests whose Host or Origin header is not allowed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mcptasks.model.excerpts import without_middle
from mcptasks.server.allowed_sources import AllowedSources
from mcptasks.server.mcp_route import McpRoute

logger = logging.getLogger(__name__)

SHOWN_CHARACTERS = 200
"""Of a header in the log: a caller may send 64 KB of it."""


@dataclass(frozen=True)
class SourceCheck:
    """Middleware for the endpoint: HTTP 421 for another host, 403 for another origin.

    It stands in for the SDK's own check, which knows neither wildcards nor case.
    """

    app: ASGIApp
    endpoint: McpRoute
    allowed: AllowedSources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(Headers(scope=scope)) if self.endpoint.takes(scope) else None
        await (refusal or self.app)(scope, receive, send)

    def _refusal(self, headers: Headers) -> Response | None:
        host, origin = headers.get("host"), headers.get("origin")
        if not self.allowed.serves(host):
            logger.warning("a call was refused: its Host header %r is not among MCPTASKS_ALLOWED_HOSTS", _short(host))
            return Response("Invalid Host header", HTTPStatus.MISDIRECTED_REQUEST)
        if not self.allowed.accepts(origin):
            logger.warning(
                "a call was refused: its Origin header %r is not among MCPTASKS_ALLOWED_ORIGINS", _short(origin)
            )
            return Response("Invalid Origin header", HTTPStatus.FORBIDDEN)
        return None


def _short(value: str | None) -> str:
    return without_middle(value or "", SHOWN_CHARACTERS)
