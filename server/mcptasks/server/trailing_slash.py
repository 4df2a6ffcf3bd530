"""Serves a path with and without a slash at its end, where a framework redirects.

A redirect names a scheme, a host and a path as this process sees them: behind TLS or a proxy with a prefix they are
others for the client, and many clients do not repeat a POST at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from mcptasks.server.mcp_route import is_routed


@dataclass(frozen=True)
class TrailingSlash:
    """Middleware that gives a path the spelling that one of the routes has, where only the slash is different."""

    app: ASGIApp
    routes: Sequence[BaseRoute]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_routed(scope, self.routes):
            other = _with_path(scope, _other(scope["path"]))
            scope = other if is_routed(other, self.routes) else scope
        await self.app(scope, receive, send)


def _other(path: str) -> str:
    return path.rstrip("/") or "/" if path.endswith("/") else f"{path}/"


def _with_path(scope: Scope, path: str) -> Scope:
    return {**scope, "path": path, "raw_path": path.encode()}
