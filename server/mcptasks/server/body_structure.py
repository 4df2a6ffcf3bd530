"""How many JSON values a request may have: its size says little of the memory that it takes once it is parsed."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from itertools import accumulate

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcptasks.server.http_errors import INVALID_REQUEST, JSON

MAX_DEPTH = 100
"""Objects and arrays within each other: parsers and encoders on the way recurse, and give up at 200 and more."""

_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(set(range(256)) - set(_STEPS))


@dataclass(frozen=True)
class BodyRefusal:
    """Why a body is not taken."""

    message: str
    status: HTTPStatus = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def refusal_of(body: bytes, max_values: int) -> BodyRefusal | None:
    """Why the JSON text is not taken, for its structure; None where it is within bounds, or is no JSON.

    Nothing is parsed. Every value is the whole, or the first in its container, or follows a comma.
    """
    if b"\0" in body[:4] or body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return BodyRefusal("The request is no JSON in UTF-8", HTTPStatus.BAD_REQUEST)
    if _values(body) <= max_values and _opening(body) <= MAX_DEPTH:
        return None
    bare = _without_strings(body, most=2 * max_values)
    if bare is None or _values(bare) > max_values:
        return BodyRefusal(f"The request has more than {max_values} JSON values: send less, or a reference to the data")
    if _opening(bare) > MAX_DEPTH and _depth(bare) > MAX_DEPTH:
        return BodyRefusal(f"The request has objects and arrays more than {MAX_DEPTH} deep: use a flatter form")
    return None


def _without_strings(body: bytes, most: int) -> bytes | None:
    """The text without its strings, names included; None where it has more than `most` of them."""
    unescaped = body.replace(rb"\\", b"").replace(rb"\"", b"")
    if unescaped.count(b'"') > 2 * most:
        return None
    return b"".join(unescaped.split(b'"')[::2])


def _values(text: bytes) -> int:
    return 1 + text.count(b",") + _opening(text)


def _opening(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


def _depth(text: bytes) -> int:
    return max(accumulate(_STEPS[bracket] for bracket in text.translate(None, _NO_BRACKETS)), default=0)


@dataclass(frozen=True)
class BodyStructure:
    """Middleware that reads a call's body before it is parsed, and answers one with too much structure with 413.

    Args:
        is_call: whether a request is one that MCP is served to; others pass unchanged.
        max_body_bytes: the size from which on a body is passed on without a look: it is refused anyway.
    """

    app: ASGIApp
    is_call: Callable[[Scope], bool]
    max_body_bytes: int
    max_values: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.is_call(scope):
            await self.app(scope, receive, send)
            return
        checked = _Checked(receive, send, self.max_body_bytes, self.max_values)
        await self.app(scope, checked.receive, checked.send)


class _Checked:
    """`receive` and `send` of one request. The application asks for the body only once the caller is known."""

    def __init__(self, receive: Receive, send: Send, max_body_bytes: int, max_values: int) -> None:
        self._receive = receive
        self._send = send
        self._max_body_bytes = max_body_bytes
        self._max_values = max_values
        self._is_read = False
        self._held: Message | None = None
        self._refusal: BodyRefusal | None = None
        self._is_refused = False

    async def receive(self) -> Message:
        if self._held is not None:
            message, self._held = self._held, None
            return message
        if self._is_read:
            return await self._receive()
        self._is_read = True
        return await self._read()

    async def _read(self) -> Message:
        """The whole body as one message, an empty object in the place of one that is refused."""
        body = bytearray()
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                self._held = message
                return {"type": "http.request", "body": bytes(body), "more_body": True}
            body += message.get("body", b"")
            if len(body) > self._max_body_bytes:
                return {**message, "body": bytes(body)}
            if not message.get("more_body", False):
                self._refusal = refusal_of(bytes(body), self._max_values)
                return {**message, "body": bytes(body) if self._refusal is None else b"{}"}

    async def send(self, message: Message) -> None:
        if self._refusal is None:
            await self._send(message)
        elif not self._is_refused:
            self._is_refused = True
            await self._refuse(self._refusal)

    async def _refuse(self, refusal: BodyRefusal) -> None:
        error = {"code": INVALID_REQUEST, "message": refusal.message}
        body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
        headers = [(b"content-type", JSON), (b"content-length", str(len(body)).encode())]
        await self._send({"type": "http.response.start", "status": refusal.status.value, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})
