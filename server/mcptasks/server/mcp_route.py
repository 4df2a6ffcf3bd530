"""Which requests reach the MCP endpoint, as the router itself decides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope


def is_routed(scope: Scope, routes: Sequence[BaseRoute]) -> bool:
    """Whether one of the routes takes the request."""
    return any(route.matches(scope)[0] is not Match.NONE for route in routes)


@dataclass(frozen=True)
class McpRoute:
    """The route of the endpoint.

    What guards the endpoint asks this and compares no paths: the router takes more spellings than the one that is
    configured (`/mcp` and a line feed), and all that it takes must be guarded.
    """

    routes: Sequence[BaseRoute]

    @classmethod
    def among(cls, routes: Sequence[BaseRoute], path: str) -> Self:
        """The route of an application that serves this path. Raises ValueError where none does."""
        found = tuple(route for route in routes if isinstance(route, Route) and route.path == path)
        if not found:
            raise ValueError(f"no route has the path {path!r}")
        return cls(found)

    def takes(self, scope: Scope) -> bool:
        """Whether the request goes to the endpoint."""
        return scope["type"] == "http" and is_routed(scope, self.routes)
