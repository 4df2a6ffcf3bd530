"""What guards the endpoint sees every request that the router gives to it."""

from __future__ import annotations

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from mcptasks.server.allowed_sources import AllowedSources
from mcptasks.server.mcp_route import McpRoute
from mcptasks.server.source_check import SourceCheck
from mcptasks.settings import Settings


class Served:
    """An ASGI application, as the SDK's is: its route takes every method."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("served")(scope, receive, send)


ROUTES = [Route("/mcp", Served())]


@pytest.mark.parametrize("path", ["/mcp", "/mcp%0A"])
def test_what_the_router_serves_is_checked(path: str) -> None:
    app = SourceCheck(Router(ROUTES), McpRoute.among(ROUTES, "/mcp"), AllowedSources.from_settings(Settings()))
    client = TestClient(app, base_url="http://127.0.0.1")
    assert client.post(path).text == "served"
    assert client.post(path, headers={"host": "evil.example"}).status_code == 421
    assert client.post(path, headers={"origin": "https://evil.example"}).status_code == 403


def test_other_paths_are_not_the_endpoint() -> None:
    endpoint = McpRoute.among(ROUTES, "/mcp")
    assert not endpoint.takes({"type": "http", "method": "POST", "path": "/other"})
    assert not endpoint.takes({"type": "websocket", "path": "/mcp"})
    with pytest.raises(ValueError, match="no route"):
        McpRoute.among(ROUTES, "/other")
