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
from weakref import WeakSet

from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcptasks.model.base import JsonObject
from mcptasks.protocol.requests import Context

PIECE = 64 * 1024
"""Bytes that are written at once: each piece waits until the client has read most of the one before."""

_ANSWER = "mcptasks.answer"
_VERSION_HEADER = "mcp-protocol-version"
_TOKEN = re.compile(rb'"(mcptasks-raw-[0-9a-f]{32})"')
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


@dataclass(frozen=True)
class _HeldText:
    """Text that goes out in the place of its token and of the `depth` innermost objects around that."""

    text: str
    depth: int
    portion: AnswerPortion


class AnswerPortion:
    """What is held back of one result. It is released once all of that has been sent, or is given up."""

    def __init__(self, held: dict[bytes, _HeldText], release: Callable[[], None]) -> None:
        self._held = held
        self._release: Callable[[], None] | None = release
        self._tokens: set[bytes] = set()

    def hold(self, text: str, depth: int) -> str:
        """A token for the text. Where it stands as a string, the text goes out instead, of objects around it too.

        `depth`: how many objects. They have no other objects in them.
        """
        token = f"mcptasks-raw-{secrets.token_hex(16)}"
        self._tokens.add(token.encode())
        self._held[token.encode()] = _HeldText(text, depth, self)
        return token

    def settle(self, result: JsonObject) -> None:
        """Hold no more than what the result, as it will be sent, has tokens for."""
        kept = set(_TOKEN.findall(json.dumps(result).encode()))
        for token in self._tokens - kept:
            self.sent(token)
        self._release_if_done()

    def sent(self, token: bytes) -> None:
        """This has been sent, or never will be."""
        self._held.pop(token, None)
        self._tokens.discard(token)
        self._release_if_done()

    def give_up(self) -> None:
        """Nothing of it will be sent any more."""
        for token in self._tokens:
            self._held.pop(token, None)
        self._tokens.clear()
        self._release_if_done()

    def _release_if_done(self) -> None:
        if not self._tokens and self._release is not None:
            release, self._release = self._release, None
            release()


class CallAnswer:
    """The answer to one request, or a stream of them: `send` is that of the application within."""

    def __init__(self, send: Send, *, is_escaped: bool) -> None:
        self._send = send
        self._is_escaped = is_escaped
        self._held: dict[bytes, _HeldText] = {}
        self._start: Message | None = None
        self._portions: WeakSet[AnswerPortion] = WeakSet()
        self._is_closed = False
        self.retry_after_seconds: int | None = None
        """Set where the request could not be served now: the HTTP status says so if it has not been sent."""

    def portion(self, release: Callable[[], None]) -> AnswerPortion:
        """For a result that has taken something, which `release` gives back.

        The request may be over already: what answers it runs in another task, which may learn of that later.
        """
        portion = AnswerPortion(self._held, release)
        if self._is_closed:
            portion.give_up()
        self._portions.add(portion)
        return portion

    def close(self) -> None:
        """Give up all that the answer has taken, and will take."""
        self._is_closed = True
        for portion in list(self._portions):
            portion.give_up()

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
        parts, sent = self._parts(message.get("body", b""))
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
        for token, held in sent.items():
            held.portion.sent(token)

    def _parts(self, body: bytes) -> tuple[list[bytes | str], dict[bytes, _HeldText]]:
        """The body, with the texts in the places of their tokens, and what these are."""
        parts: list[bytes | str] = []
        sent: dict[bytes, _HeldText] = {}
        end = 0
        for token in _TOKEN.finditer(body) if self._held else ():
            held = self._held.pop(token.group(1), None)
            if held is not None:
                start, after = _around(body, *token.span(), held.depth)
                parts += [body[end:start], held.text]
                sent[token.group(1)] = held
                end = after
        return [*parts, body[end:]], sent

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


def _around(body: bytes, start: int, end: int, depth: int) -> tuple[int, int]:
    """Where the outermost of the `depth` innermost objects around a token begins and ends."""
    for _ in range(depth):
        start, end = body.rindex(b"{", 0, start), body.index(b"}", end) + 1
    return start, end


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found.group())[1:-1]
