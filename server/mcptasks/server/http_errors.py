"""Errors of the HTTP transport as JSON-RPC errors: a client reads one form of error, whatever refused its request."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

INVALID_REQUEST = -32600
INTERNAL_ERROR = -32603
JSON = b"application/json"


@dataclass(frozen=True)
class JsonRpcErrors:
    """Passes everything on; an error without a JSON body becomes one with a JSON-RPC error, of the same HTTP status."""

    app: ASGIApp
    max_body_bytes: int
    path: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await self.app(scope, receive, _ErrorRewriter(send, self.max_body_bytes, self.path).send)


class _ErrorRewriter:
    """The `send` of one request, which rewrites a plain error."""

    def __init__(self, send: Send, max_body_bytes: int, path: str) -> None:
        self._send = send
        self._path = path
        self._max_body_bytes = max_body_bytes
        self._held: Message | None = None
        self._text = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_plain_error(message):
            self._held = message
            return
        if self._held is None:
            await self._send(message)
            return
        self._text += message.get("body", b"")
        if not message.get("more_body", False):
            await self._rewritten(self._held)

    async def _rewritten(self, start: Message) -> None:
        status = start["status"]
        error = {"code": INVALID_REQUEST, "message": self._message(status)}
        body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
        kept = [(name, value) for name, value in start["headers"] if name not in (b"content-length", b"content-type")]
        own = [(b"content-type", JSON), (b"content-length", str(len(body)).encode())]
        await self._send({**start, "headers": [*kept, *own]})
        await self._send({"type": "http.response.body", "body": body})

    def _message(self, status: int) -> str:
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return f"The request is larger than {self._max_body_bytes} bytes: send less, or a reference to the data"
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return "Internal server error"
        text = self._text.decode(errors="replace").strip() or HTTPStatus(status).phrase
        return f"{text}: the MCP endpoint is at {self._path}" if status == HTTPStatus.NOT_FOUND else text


def _is_plain_error(start: Message) -> bool:
    kinds = [value for name, value in start["headers"] if name == b"content-type"]
    return start["status"] >= HTTPStatus.BAD_REQUEST and not any(kind.startswith(JSON) for kind in kinds)
