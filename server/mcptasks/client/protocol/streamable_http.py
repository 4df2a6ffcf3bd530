"""Streamable HTTP from the client's side: one JSON-RPC message out, a JSON or SSE answer back."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

import httpx2

from mcptasks.client.client_errors import ClientError, ConnectionFailedError, HttpRefusedError, McpError, NotSentError
from mcptasks.client.protocol.event_stream import event_data
from mcptasks.client.protocol.json_rpc import METHOD_NOT_FOUND, error_of
from mcptasks.model.base import JsonObject
from mcptasks.model.excerpts import without_middle
from mcptasks.network.shown_urls import shown_url

EXCERPT_CHARACTERS = 200
EVENT_STREAM = "text/event-stream"
BUSY = frozenset({408, 425, 429})
"""Refusals that pass by themselves, besides the server's own failures."""

BASE_HEADERS = {"Accept": f"application/json, {EVENT_STREAM}", "Content-Type": "application/json"}

OnMessage = Callable[[JsonObject], Awaitable[None]]
"""Takes a request or notification that the server sends before its answer. What it raises ends the exchange."""


MAX_PORT = 65535
PATH_HINT = "; is the path right? It is /mcp by default"
_EXAMPLE = "give one like http://127.0.0.1:8000/mcp"


@dataclass(frozen=True)
class RpcResult:
    """The result of a request and the HTTP headers that it came with."""

    result: JsonObject
    headers: Mapping[str, str] = field(repr=False)


@dataclass
class HttpTransport:
    """Sends JSON-RPC messages to one MCP endpoint. `meta` is in the `_meta` of every request."""

    url: str
    http: httpx2.AsyncClient
    meta: JsonObject = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def shown_url(self) -> str:
        """The endpoint as messages name it: without credentials."""
        return shown_url(self.url)

    async def request(
        self,
        method: str,
        params: JsonObject,
        headers: Mapping[str, str],
        on_message: OnMessage | None = None,
    ) -> RpcResult:
        """Send a request and wait for its answer; what else comes on its stream goes to `on_message`.

        Raises:
            McpError: the answer is a JSON-RPC error.
            HttpRefusedError: the answer is an HTTP error and no JSON-RPC message.
            ConnectionFailedError: there is no answer.
        """
        request_id = next(self._ids)
        if self.meta:
            params = {**params, "_meta": {**self.meta, **params.get("_meta", {})}}
        message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        async with aclosing(self._exchange("POST", message, headers)) as exchange:
            async for response, received in exchange:
                if received.get("id") == request_id and "method" not in received:
                    return RpcResult(_result(received), response.headers)
                # Some servers refuse a request under an id of their own.
                if "error" in received and (received.get("id") is None or response.status_code >= 400):
                    raise _misdirected(response, error_of(received["error"]))
                if on_message is not None and "method" in received:
                    await on_message(received)
        raise ConnectionFailedError(f"{self.shown_url} closed the connection before it answered {method}")

    async def notify(self, method: str, headers: Mapping[str, str]) -> None:
        """Send a notification."""
        await self.send({"method": method}, headers)

    async def send(self, message: JsonObject, headers: Mapping[str, str]) -> None:
        """Send a message that has no answer: a notification, or the response to a request of the server's.

        Raises:
            McpError: the server refuses it with a JSON-RPC error.
            HttpRefusedError: it does so without one.
            ConnectionFailedError: the server could not be reached.
        """
        async with aclosing(self._exchange("POST", {"jsonrpc": "2.0", **message}, headers)) as exchange:
            async for response, received in exchange:
                if response.status_code >= 400 and "error" in received:
                    raise error_of(received["error"])

    async def listen(self, headers: Mapping[str, str], on_message: OnMessage) -> None:
        """Read what the server sends on a stream of its own (GET), until it ends it.

        Raises:
            HttpRefusedError: the server has no such stream.
        """
        async with aclosing(self._exchange("GET", None, headers)) as exchange:
            async for response, received in exchange:
                if response.status_code >= 400:
                    raise _refused(response, json.dumps(received).encode())
                if "method" in received:
                    await on_message(received)

    async def delete(self, headers: Mapping[str, str]) -> None:
        """End the session that the headers name, if the server can still be reached."""
        try:
            await self.http.delete(self.url, headers=dict(headers))
        except (httpx2.HTTPError, ClientError):
            return

    async def _exchange(
        self, verb: str, message: JsonObject | None, headers: Mapping[str, str]
    ) -> AsyncGenerator[tuple[httpx2.Response, JsonObject]]:
        body = None if message is None else json.dumps(message, ensure_ascii=False).encode()
        try:
            async with self.http.stream(verb, self.url, content=body, headers={**BASE_HEADERS, **headers}) as response:
                async for received in _messages(response):
                    yield response, received
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise NotSentError(
                f"cannot reach {self.shown_url}: {error or type(error).__name__}{_hint(error)}"
            ) from error
        except httpx2.TimeoutException as error:
            raise ConnectionFailedError(f"{self.shown_url} does not answer (timeout)") from error
        except httpx2.UnsupportedProtocol as error:
            raise ClientError(f"{self.shown_url!r} is not an HTTP URL; {_EXAMPLE}") from error
        except httpx2.TransportError as error:
            raise ConnectionFailedError(f"cannot reach {self.shown_url}: {error or type(error).__name__}") from error
        except httpx2.TooManyRedirects as error:
            raise ClientError(f"{self.shown_url} redirects again and again{PATH_HINT}") from error
        except (httpx2.DecodingError, httpx2.InvalidURL) as error:
            raise ClientError(f"{self.shown_url} gives an answer that cannot be read: {error}") from error


def check_url(url: str) -> None:
    """Raises ClientError where the URL can be none of a server."""
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise ClientError(f"{shown_url(url)!r} is not a URL: {error}; {_EXAMPLE}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ClientError(f"{shown_url(url)!r} is not an HTTP URL; {_EXAMPLE}")
    if parsed.port is not None and not 0 < parsed.port <= MAX_PORT:
        raise ClientError(f"{shown_url(url)!r} has the port {parsed.port}; there are ports from 1 to {MAX_PORT}")


def _hint(error: httpx2.ConnectError | httpx2.ConnectTimeout) -> str:
    return ": it may be a server of http, not https" if "WRONG_VERSION_NUMBER" in str(error) else ""


async def _messages(response: httpx2.Response) -> AsyncIterator[JsonObject]:
    if response.headers.get("content-type", "").startswith(EVENT_STREAM):
        async for data in event_data(response.aiter_bytes()):
            yield _parsed(data)
        return
    body = await response.aread()
    parsed = _object(body)
    # What refuses access has an `error` of its own, which is a word (RFC 6750).
    if parsed is not None and ("result" in parsed or isinstance(parsed.get("error"), dict)):
        yield parsed
    elif response.status_code >= 400:
        raise _refused(response, body)
    elif body.strip():
        raise ClientError(f"{_url(response)} does not answer in MCP: {_excerpt(body)!r}{_path_hint(response)}")


def _refused(response: httpx2.Response, body: bytes) -> ClientError:
    status = response.status_code
    if status in (401, 403):
        hint = "give a valid one with --token" if "authorization" in response.request.headers else "it wants a token"
        if status == 403 and (described := (_object(body) or {}).get("error_description")):
            hint = str(described)
        return HttpRefusedError(status, f"{_url(response)} refuses access (HTTP {status}): {hint}")
    if status >= 500 or status in BUSY:
        return ConnectionFailedError(f"{_url(response)} answers HTTP {status}: {_excerpt(body)}")
    return HttpRefusedError(status, f"{_url(response)} answers HTTP {status}: {_excerpt(body)}{_path_hint(response)}")


def _misdirected(response: httpx2.Response, error: McpError) -> McpError:
    """The refusal of a request by a server that does not know which one it is, with a hint where the path is wrong."""
    if response.status_code != 404 or "/mcp" in error.message or error.code == METHOD_NOT_FOUND:
        return error
    return McpError(error.code, f"{_url(response)} answers {error.message}{_path_hint(response)}", error.data)


def _url(response: httpx2.Response) -> str:
    return shown_url(str(response.url))


def _path_hint(response: httpx2.Response) -> str:
    """For what answers a wrong path: with nothing, with no POST, or with a page."""
    is_page = response.status_code < 400 and not response.request.url.path.rstrip("/").endswith("/mcp")
    return PATH_HINT if is_page or response.status_code in (404, 405) else ""


def _excerpt(body: bytes) -> str:
    text = body.decode("utf-8", "replace").strip()
    return without_middle(text, EXCERPT_CHARACTERS) or "(no body)"


def _object(body: bytes) -> JsonObject | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _parsed(data: str) -> JsonObject:
    value = _object(data.encode())
    if value is None:
        raise ClientError(
            f"the server sent an event that is not a JSON-RPC message: {without_middle(data, EXCERPT_CHARACTERS)!r}"
        )
    return value


def _result(message: JsonObject) -> JsonObject:
    if "error" in message:
        raise error_of(message["error"])
    result = message.get("result")
    if not isinstance(result, dict):
        raise ClientError(f"the server's answer has no result: {without_middle(str(message), EXCERPT_CHARACTERS)}")
    return result
