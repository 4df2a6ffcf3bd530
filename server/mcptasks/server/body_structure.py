"""What of requests may be in memory: the bytes of all that arrive, and how many JSON values one of them may have.

The size of a body says little of the memory that it takes once it is parsed.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import accumulate

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcptasks.server.http_errors import INTERNAL_ERROR, INVALID_REQUEST, JSON
from mcptasks.settings import KIB, MIB
from mcptasks.tasks.byte_budget import BUDGET_SECONDS, RETRY_SECONDS, ByteBudget

MAX_DEPTH = 100
"""Objects and arrays within each other: parsers and encoders on the way recurse, and give up at 200 and more."""

FREE_BYTES = 64 * KIB
"""So much of each body is not counted: small ones arrive while large ones have to wait."""

_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(set(range(256)) - set(_STEPS))


@dataclass(frozen=True)
class BodyRefusal:
    """Why a body is not taken."""

    message: str
    status: HTTPStatus = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    @property
    def code(self) -> int:
        """That of the JSON-RPC error."""
        return INTERNAL_ERROR if self.status is HTTPStatus.SERVICE_UNAVAILABLE else INVALID_REQUEST

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the answer says besides its body."""
        if self.status is not HTTPStatus.SERVICE_UNAVAILABLE:
            return []
        # What is left of the body is not read.
        return [(b"retry-after", str(RETRY_SECONDS).encode()), (b"connection", b"close")]


NO_ROOM = BodyRefusal(
    "More large requests arrive at the same time than this server takes: send it again in a moment",
    HTTPStatus.SERVICE_UNAVAILABLE,
)


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
    """Middleware that reads a call's body before it is parsed.

    One with too much structure is answered with 413, and one for which there is no room in time with 503.

    Args:
        is_call: whether a request is one that MCP is served to; others pass unchanged.
        max_body_bytes: the size from which on a body is passed on without a look: it is refused anyway.
        arriving: the bytes of the bodies that are on their way.
        caller: whose request it is, once its token has been looked at.
    """

    app: ASGIApp
    is_call: Callable[[Scope], bool]
    max_body_bytes: int
    max_values: int
    arriving: ByteBudget = field(default_factory=lambda: ByteBudget(128 * MIB))
    caller: Callable[[], Hashable] = lambda: None
    seconds: float = BUDGET_SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.is_call(scope):
            await self.app(scope, receive, send)
            return
        checked = _Checked(receive, send, self)
        try:
            await self.app(scope, checked.receive, checked.send)
        finally:
            checked.give_back()


class _Checked:
    """`receive` and `send` of one request. The application asks for the body only once the caller is known."""

    def __init__(self, receive: Receive, send: Send, limits: BodyStructure) -> None:
        self._receive = receive
        self._send = send
        self._limits = limits
        self._caller: Hashable = None
        self._counted = 0
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
        self._caller = self._limits.caller()
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                self._held = message
                return {"type": "http.request", "body": bytes(body), "more_body": True}
            body += message.get("body", b"")
            if len(body) > self._limits.max_body_bytes:
                return {**message, "body": bytes(body)}
            if not await self._has_room(len(body)):
                self._refusal = NO_ROOM
                return {"type": "http.request", "body": b"{}", "more_body": False}
            if not message.get("more_body", False):
                self._refusal = refusal_of(bytes(body), self._limits.max_values)
                return {**message, "body": bytes(body) if self._refusal is None else b"{}"}

    async def _has_room(self, size: int) -> bool:
        """Count the bytes that have come. False where there was no room for them in time."""
        more = size - FREE_BYTES - self._counted
        if more <= 0:
            return True
        if not await self._limits.arriving.take(self._caller, more, self._limits.seconds):
            return False
        self._counted += more
        return True

    def give_back(self) -> None:
        """The body has been taken in, or is not wanted any more."""
        counted, self._counted = self._counted, 0
        if counted:
            self._limits.arriving.give_back(self._caller, counted)

    async def send(self, message: Message) -> None:
        self.give_back()
        if self._refusal is None:
            await self._send(message)
        elif not self._is_refused:
            self._is_refused = True
            await self._refuse(self._refusal)

    async def _refuse(self, refusal: BodyRefusal) -> None:
        error = {"code": refusal.code, "message": refusal.message}
        body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
        headers = [(b"content-type", JSON), (b"content-length", str(len(body)).encode()), *refusal.headers]
        await self._send({"type": "http.response.start", "status": refusal.status.value, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})
