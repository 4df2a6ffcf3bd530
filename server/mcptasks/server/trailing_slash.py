"""Serves a path with and without a slash at its end, where a framework redirects.

A redirect names a scheme, a host and a path as this process sees them: behind TLS or a proxy with a prefix they are
others for the client, and many clients do not repeat a POST at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(frozen=True)
class TrailingSlash:
    """Middleware that gives a path the spelling that one of the routes has, where only the slash is different."""

    app: ASGIApp
    routes: Sequence[BaseRoute]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_routed(scope):
            other = _with_path(scope, _other(scope["path"]))
            scope = other if self._is_routed(other) else scope
        await self.app(scope, receive, send)

    def _is_routed(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] is not Match.NONE for route in self.routes)


def _other(path: str) -> str:
    return path.rstrip("/") or "/" if path.endswith("/") else f"{path}/"


def _with_path(scope: Scope, path: str) -> Scope:
    return {**scope, "path": path, "raw_path": path.encode()}
