"""Answers whose large parts go to the client as they are stored, a piece at a time.

What is sent is made of Python objects by the SDK, several times over. So a large value is held back, and only a token
for it goes through the SDK; on the wire the text takes the token's place.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcptasks.model.base import JsonObject
from mcptasks.protocol.requests import Context

PIECE = 64 * 1024
"""Bytes that are written at once: each piece waits until the client has read most of the one before."""

_ANSWER = "mcptasks.answer"
_VERSION_HEADER = "mcp-protocol-version"
_TOKEN = re.compile(rb'\{"(mcptasks-raw-[0-9a-f]{32})":0\}')
_NOT_PLAIN = re.compile(r"[^\x00-\x7e]+")


@dataclass(frozen=True)
class RawAnswers:
    """Wraps the SDK's application; requests that are no calls pass unchanged."""

    app: ASGIApp
    is_call: Callable[[Scope], bool]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.is_call(scope):
            await self.app(scope, receive, send)
            return
        # The SDK escapes all that is not ASCII in the answers of newer versions only.
        is_escaped = Headers(scope=scope).get(_VERSION_HEADER) not in (None, *HANDSHAKE_PROTOCOL_VERSIONS)
        answer = CallAnswer(send, is_escaped=is_escaped)
        try:
            await self.app({**scope, _ANSWER: answer}, receive, answer.send)
        finally:
            answer.close()


class CallAnswer:
    """The answer to one request: `send` is that of the application within."""

    def __init__(self, send: Send, *, is_escaped: bool) -> None:
        self._send = send
        self._is_escaped = is_escaped
        self._held: dict[bytes, str] = {}
        self._start: Message | None = None
        self._releases: list[Callable[[], None]] = []
        self._is_closed = False
        self.retry_after_seconds: int | None = None
        """Set where the request could not be served now: the HTTP status says so if it has not been sent."""

    def hold(self, text: str) -> JsonObject:
        """An object to put in the place of a large one, whose JSON text goes out instead of it."""
        token = f"mcptasks-raw-{secrets.token_hex(16)}"
        self._held[token.encode()] = text
        return {token: 0}

    def on_release(self, release: Callable[[], None]) -> None:
        """Call this once the answer, or what it was for of a longer stream, has been sent or given up.

        Its request may be over already: what answers it runs in another task, which may learn of that later.
        """
        self._releases.append(release)
        if self._is_closed:
            self.release()

    def release(self) -> None:
        """Give up all that the answer has taken."""
        while self._releases:
            self._releases.pop()()

    def close(self) -> None:
        """Give up all that the answer has taken, and will take."""
        self._is_closed = True
        self.release()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._mark(message)
            if self._held and "content-length" in Headers(raw=message["headers"]):
                self._start = message
                return
            await self._send(message)
        elif message["type"] != "http.response.body":
            await self._send(message)
        else:
            await self._send_body(message)

    def _mark(self, start: Message) -> None:
        if self.retry_after_seconds is not None:
            start["status"] = HTTPStatus.SERVICE_UNAVAILABLE.value
            MutableHeaders(scope=start)["retry-after"] = str(self.retry_after_seconds)

    async def _send_body(self, message: Message) -> None:
        parts = self._parts(message.get("body", b""))
        if self._start is not None:
            start, self._start = self._start, None
            MutableHeaders(scope=start)["content-length"] = str(sum(len(piece) for piece in self._pieces(parts)))
            await self._send(start)
        waiting = b""
        for piece in self._pieces(parts):
            if waiting:
                await self._send({**message, "body": waiting, "more_body": True})
            waiting = piece
        await self._send({**message, "body": waiting})

    def _parts(self, body: bytes) -> list[bytes | str]:
        """The body, with the texts in the places of their tokens."""
        if not self._held:
            return [body]
        parts: list[bytes | str] = []
        end = 0
        for token in _TOKEN.finditer(body):
            text = self._held.pop(token.group(1), None)
            if text is not None:
                parts += [body[end : token.start()], text]
                end = token.end()
        return [*parts, body[end:]]

    def _pieces(self, parts: list[bytes | str]) -> Iterator[bytes]:
        for part in parts:
            for at in range(0, len(part), PIECE):
                piece = part[at : at + PIECE]
                yield piece if isinstance(piece, bytes) else self._encoded(piece)

    def _encoded(self, text: str) -> bytes:
        return (_NOT_PLAIN.sub(_escaped, text) if self._is_escaped else text).encode()


def answer_of(ctx: Context) -> CallAnswer | None:
    """The answer to the current request; None where it did not come through `RawAnswers`."""
    answer = ctx.request.scope.get(_ANSWER) if ctx.request is not None else None
    return answer if isinstance(answer, CallAnswer) else None


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found.group())[1:-1]
