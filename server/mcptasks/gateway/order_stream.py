"""A worker's orders as an HTTP response that does not end: a JSON object in each line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mcptasks.gateway.contract import ALIVE_SECONDS, SILENCE_SECONDS
from mcptasks.gateway.worker_link import WorkerLink


@dataclass(frozen=True)
class StreamPace:
    """How often something is written, and for how long a worker may take nothing before it counts as gone, in s."""

    alive_seconds: float = ALIVE_SECONDS
    write_seconds: float = SILENCE_SECONDS


class OrderStream(Response):
    """Writes the orders of a link until the worker goes, takes nothing any more, or the link is closed."""

    media_type = "application/x-ndjson"

    def __init__(self, link: WorkerLink, on_end: Callable[[WorkerLink], None], pace: StreamPace) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._link = link
        self._on_end = on_end
        self._pace = pace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        writing = asyncio.ensure_future(self._write(send))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait((writing, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._link.close()
            self._on_end(self._link)
            writing.cancel()
            gone.cancel()
            await asyncio.wait((writing, gone))
        if not writing.cancelled():
            # A worker that takes nothing: the server is to cut the connection.
            writing.result()

    async def _write(self, send: Send) -> None:
        await self._put(send, {"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        while (order := await self._link.next(self._pace.alive_seconds)) is not None:
            line = json.dumps(order.dump(), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            await self._put(send, {"type": "http.response.body", "body": line, "more_body": True})
        await self._put(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _put(self, send: Send, message: dict[str, object]) -> None:
        async with asyncio.timeout(self._pace.write_seconds):
            await send(message)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
