"""What 2025-11-25 needs of HTTP, and the SDK's stateless transport does not do.

* The server sends requests on the stream of a client's request, and takes the client's responses at any replica. The
  transport drops responses: it has no session that could wait for one. So a response is handed to it as a request of
  ours, which passes all that guards requests (token, Host and Origin, size), and is answered with 202.
* A client gives a request up with a notification in a POST of its own (`v2025_11_25_cancellation`). The transport knows
  no other request than that POST. So this, too, is handed to it as a request of ours.
* It gives out session ids that need no session (`v2025_11_25_sessions`).
* It answers GET and DELETE with 405: there is neither a stream that belongs to no request nor a session to end.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcptasks.model.base import JsonObject
from mcptasks.protocol.requests import Context
from mcptasks.protocol.v2025_11_25_questions import ID_PREFIX, asked_with
from mcptasks.protocol.v2025_11_25_sessions import HEADER, new_session_id, silent_session_id

ANSWER = "mcptasks/answer"
"""The method by which responses reach the server. Clients cannot call it: only this module makes such requests."""

CANCELLED = "mcptasks/cancelled"
"""The method by which `notifications/cancelled` reaches the server; likewise of this module only."""

_EXCHANGE = "mcptasks.exchange"
_VERSION_HEADER = "mcp-protocol-version"

_STATUS_OF_ERROR = {INVALID_PARAMS: HTTPStatus.BAD_REQUEST, INTERNAL_ERROR: HTTPStatus.SERVICE_UNAVAILABLE}
"""The HTTP status for a response that could not be stored. One that answers nothing is accepted and dropped."""


@dataclass(frozen=True)
class HandshakeHttp:
    """Wraps the SDK's application for calls of its endpoint; other requests, and newer versions, pass unchanged."""

    app: ASGIApp
    is_call: Callable[[Scope], bool]
    max_body_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.is_call(scope):
            await self.app(scope, receive, send)
        elif scope["method"] != "POST":
            await _not_allowed(scope["method"])(scope, receive, send)
        elif Headers(scope=scope).get(_VERSION_HEADER) not in (None, *HANDSHAKE_PROTOCOL_VERSIONS):
            await self.app(scope, receive, send)
        else:
            exchange = Exchange(receive, send, self.max_body_bytes)
            await self.app({**scope, _EXCHANGE: exchange}, exchange.receive, exchange.send)


class Exchange:
    """One POST and its answer: `receive` and `send` are those of the application within."""

    def __init__(self, receive: Receive, send: Send, max_body_bytes: int) -> None:
        self._receive = receive
        self._send = send
        self._max_body_bytes = max_body_bytes
        self._read: deque[Message] | None = None
        self._session_id: str | None = None
        self._answer: bytearray | None = None
        self._started = asyncio.Event()
        self._ended = False
        self._turn = asyncio.Lock()
        self.request_of_ours: str | None = None
        """The method that this module has put in place of what the client has sent."""

    async def receive(self) -> Message:
        if self._read is None:
            self._read = await self._read_body()
        return self._read.popleft() if self._read else await self._receive()

    async def send(self, message: Message) -> None:
        async with self._turn:
            if message["type"] == "http.response.start":
                await self._start(message)
            elif self._answer is None:
                await self._send(message)
                self._ended = not message.get("more_body", False)
            else:
                self._answer += message.get("body", b"")
                if not message.get("more_body", False):
                    await self._acknowledge(bytes(self._answer))

    async def write(self, message: JsonObject) -> None:
        """Send a JSON-RPC message on the answer's stream, ahead of the answer."""
        await self._started.wait()
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        event = f"event: message\r\ndata: {text}\r\n\r\n".encode()
        async with self._turn:
            if not self._ended:
                await self._send({"type": "http.response.body", "body": event, "more_body": True})

    async def _read_body(self) -> deque[Message]:
        """The whole body at once, up to the limit; what is beyond it is for the application to refuse."""
        body = bytearray()
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                return deque([_body(bytes(body), more=True), message])
            body += message.get("body", b"")
            if not message.get("more_body", False):
                return deque([_body(self._taken(bytes(body)), more=False)])
            if len(body) > self._max_body_bytes:
                return deque([_body(bytes(body), more=True)])

    def _taken(self, body: bytes) -> bytes:
        """The body as the application gets it. It is parsed only where it may be a response or a handshake."""
        if ID_PREFIX.encode() in body and _is_response(_parsed(body)):
            return self._request(ANSWER, body)
        # A slash may be escaped in JSON.
        if b"notifications" in body and b"/cancelled" in body and (params := _cancelled(_parsed(body))) is not None:
            return self._request(CANCELLED, json.dumps(params).encode())
        if b'"initialize"' in body:
            self._session_id = _session_id(_parsed(body))
        return body

    def _request(self, method: str, params: bytes) -> bytes:
        self.request_of_ours = method
        return f'{{"jsonrpc":"2.0","id":0,"method":"{method}","params":'.encode() + params + b"}"

    async def _start(self, message: Message) -> None:
        ok = message["status"] == HTTPStatus.OK
        if self.request_of_ours is not None and ok:
            self._answer = bytearray()
            return
        if self._session_id is not None and ok:
            MutableHeaders(scope=message)[HEADER] = self._session_id
        await self._send(message)
        self._started.set()

    async def _acknowledge(self, answer: bytes) -> None:
        error = _error_in(answer)
        status = None if error is None else _STATUS_OF_ERROR.get(error["code"])
        response = Response(status_code=HTTPStatus.ACCEPTED) if status is None else _refusal(status, error)
        await response({"type": "http"}, self._receive, self._send)
        self._ended = True


def exchange_of(ctx: Context) -> Exchange | None:
    """The exchange of the current request; None where it did not come through `HandshakeHttp`."""
    exchange = ctx.request.scope.get(_EXCHANGE) if ctx.request is not None else None
    return exchange if isinstance(exchange, Exchange) else None


def _body(body: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def _parsed(body: bytes) -> JsonObject:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _is_response(message: JsonObject) -> bool:
    outcomes = [message[key] for key in ("result", "error") if key in message]
    return (
        "method" not in message
        and asked_with(message.get("id")) is not None
        and len(outcomes) == 1
        and isinstance(outcomes[0], dict)
    )


def _cancelled(message: JsonObject) -> JsonObject | None:
    """What `notifications/cancelled` says; None for another message, and for one that names no request."""
    params = message.get("params")
    if message.get("method") != "notifications/cancelled" or "id" in message or not isinstance(params, dict):
        return None
    request_id = params.get("requestId")
    is_id = isinstance(request_id, (str, int)) and not isinstance(request_id, bool)
    return {"requestId": str(request_id)} if is_id else None


def _session_id(message: JsonObject) -> str | None:
    params = message.get("params")
    if message.get("method") != "initialize" or not isinstance(params, dict):
        return None
    wanted = params.get("protocolVersion")
    older = wanted in HANDSHAKE_PROTOCOL_VERSIONS and wanted != LATEST_HANDSHAKE_VERSION
    return silent_session_id() if older else new_session_id(params.get("capabilities"))


def _error_in(answer: bytes) -> dict[str, Any] | None:
    """The JSON-RPC error of a stream's last message."""
    data = [line.removeprefix(b"data:") for line in answer.splitlines() if line.startswith(b"data:")]
    return _parsed(data[-1]).get("error") if data else None


def _refusal(status: HTTPStatus, error: object, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, status, headers)


def _not_allowed(method: str) -> JSONResponse:
    message = f"Method Not Allowed: {method}. All messages go in a POST, and what the server asks comes on its answer"
    error = {"code": INVALID_REQUEST, "message": message}
    return _refusal(HTTPStatus.METHOD_NOT_ALLOWED, error, {"allow": "POST"})
