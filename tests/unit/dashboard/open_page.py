"""A page that is open in a browser: its stream of events, without a server in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Scope

from tests.unit.dashboard.page_site import HOST

PATIENCE_SECONDS = 20


@dataclass(eq=False)
class OpenPage:
    """What has come of one stream so far."""

    status: int = 0
    body: bytes = b""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self) -> Message:
        """The browser says nothing until it goes away."""
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")
        self.news.set()

    async def shows(self, words: str) -> None:
        """Wait until these words have come."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while words.encode() not in self.body:
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def opened(app: ASGIApp, path: str, token: str = "") -> AsyncIterator[OpenPage]:
    """The page is open until the context ends."""
    page = OpenPage()
    headers = {"host": HOST} | ({"authorization": f"Bearer {token}"} if token else {})
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8090),
    }

    async def serve() -> None:
        await app(scope, page.receive, page.send)

    stream = asyncio.create_task(serve())
    try:
        yield page
    finally:
        page.gone.set()
        await stream
