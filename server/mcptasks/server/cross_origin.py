"""Cross-origin resource sharing (CORS): what lets web pages of allowed origins call the endpoint."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcptasks.server.allowed_sources import AllowedSources
from mcptasks.server.mcp_route import McpRoute

METHODS = ("GET", "POST", "DELETE")
"""Those of the protocol. GET and DELETE are answered with 405, which clients must be able to read."""

EXPOSED_HEADERS = ("Mcp-Session-Id", "WWW-Authenticate", "Retry-After", "Allow")
"""Headers of answers that clients act upon: the session, where to get a token, when to come back."""

METADATA = "/.well-known/"
"""Where clients look for the metadata of authorization."""

ALLOW_ORIGIN = b"access-control-allow-origin"


class CrossOriginAccess(CORSMiddleware):
    """Answers preflights of allowed origins and lets their pages read every answer; others pass through unchanged.

    A preflight has no token, so this comes before all that asks for one. Clients may send any header: those of the
    protocol carry names of parameters. Routes of the server program are left alone.
    """

    def __init__(self, app: ASGIApp, endpoint: McpRoute, allowed: AllowedSources) -> None:
        super().__init__(
            app,
            allow_methods=METHODS,
            allow_headers=("*",),
            allow_private_network=True,
            expose_headers=EXPOSED_HEADERS,
        )
        self._endpoint = endpoint
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = Headers(scope=scope).get("origin") if self._is_for(scope) else None
        if origin is None or not self.is_allowed_origin(origin):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def _is_for(self, scope: Scope) -> bool:
        path: str = scope.get("path", "")
        return self._endpoint.takes(scope) or (scope["type"] == "http" and path.startswith(METADATA))

    def is_allowed_origin(self, origin: str) -> bool:
        return self._allowed.shares_with(origin)

    async def send(self, message: Message, send: Send, request_headers: Headers) -> None:
        """Leaves an answer alone that is open to everybody already, as the metadata of the SDK is."""
        if any(name.lower() == ALLOW_ORIGIN for name, _ in message.get("headers", ())):
            await send(message)
        else:
            await super().send(message, send, request_headers)
