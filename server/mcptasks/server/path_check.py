"""Refuses requests whose path has control characters."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

CONTROL = "Cc"
"""Unicode's category of control characters."""


@dataclass(frozen=True)
class PathCheck:
    """Middleware that answers such a request with `refusal`.

    No route has these characters, and a router may overlook them: in Starlette `/mcp` and a line feed is `/mcp`.
    """

    app: ASGIApp
    refusal: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = scope["type"] == "http" and _has_control_characters(scope["path"])
        await (self.refusal if refused else self.app)(scope, receive, send)


def _has_control_characters(path: str) -> bool:
    return any(unicodedata.category(character) == CONTROL for character in path)
