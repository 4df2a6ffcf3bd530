"""The HTTP connection to one API server: sessions, TLS, credentials, and what failed requests raise."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self, cast

import aiohttp

from mcptasks.kube.errors import UnavailableError, from_status
from mcptasks.model.base import JsonObject
from mcptasks.model.excerpts import without_middle
from mcptasks.model.json_nesting import MAX_READ_LEVELS, cut, may_nest_deeper
from mcptasks.network.dead_peers import Probing, notice_dead_peers
from mcptasks.network.proxies import goes_direct

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_SECONDS = 5.0
REQUEST_TIMEOUT_SECONDS = 30.0
READ_BUFFER_BYTES = 2**21

MAX_CONNECTIONS = 256
"""To the API server, of one process. Further requests wait, within their own time."""

PROBING = Probing(after=15, every=5, probes=3, unsent=30)
"""A connection whose other end is gone without a word is given up: a watch would wait on it for minutes."""


@dataclass(eq=False)
class ServerClock:
    """The API server's time: by the `Date` of its latest answer, and a clock of this machine that nobody sets.

    It is up to a second behind, and for as long as the machine has been suspended since that answer.
    """

    monotonic: Callable[[], float] = time.monotonic
    _date: datetime | None = field(default=None, init=False)
    _noted_at: float = field(default=0.0, init=False)

    def note(self, header: str | None) -> None:
        """Take in the `Date` of an answer that has just come; one that is none is passed over."""
        try:
            date = parsedate_to_datetime(header or "")
        except ValueError:
            return
        if date.tzinfo is not None:
            self._date, self._noted_at = date, self.monotonic()

    def now(self) -> datetime | None:
        """The time; None as long as no answer has told it."""
        return self._date and self._date + timedelta(seconds=self.monotonic() - self._noted_at)


@dataclass
class ApiConnection:
    """Sends requests to one API server. `json` and `stream` raise KubeError, UnavailableError where nobody answers."""

    configuration: Configuration
    user_agent: str
    clock: ServerClock = field(default_factory=ServerClock, init=False)
    _session: aiohttp.ClientSession | None = field(default=None, init=False)

    @property
    def host(self) -> str:
        """URL of the API server."""
        return str(self.configuration.host).rstrip("/")

    def open(self) -> None:
        """Begin to use connections; nothing is sent yet."""
        self._session = self._new_session({})

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def authenticated_session(self) -> aiohttp.ClientSession:
        """A session of its own for code that talks to the same API server, with the credentials of this moment.

        That code may parse what it gets: what nests too deep for Python's parser is cut.
        """
        session = self._new_session(await self._auth_headers(), ShallowResponse)
        unredirected = aiohttp.TraceConfig()
        unredirected.on_request_redirect.append(_refuse_redirect)
        unredirected.freeze()
        session.trace_configs.append(unredirected)
        return session

    async def json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str | None = None,
    ) -> JsonObject:
        """The JSON object that a request is answered with."""
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS, sock_connect=CONNECT_TIMEOUT_SECONDS)
        async with self.stream(
            method, path, query=query, body=body, content_type=content_type, timeout=timeout, accept=accept
        ) as response:
            answer: JsonObject = await parsed_json(await response.read())
            return answer

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        timeout: aiohttp.ClientTimeout,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A successful response whose body has not been read yet."""
        if self._session is None:
            raise RuntimeError("KubeClient is not open; use it as an async context manager")
        headers = await self._auth_headers()
        if accept is not None:
            headers["Accept"] = accept
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            data = json.dumps(body, ensure_ascii=False).encode()
        try:
            async with self._session.request(
                method,
                self.host + path,
                params=query,
                data=data,
                headers=headers,
                timeout=timeout,
                # An API server does not redirect; whatever does is not to have the body.
                allow_redirects=False,
                proxy=self.configuration.proxy,
                server_hostname=self.configuration.tls_server_name,
            ) as response:
                self.clock.note(response.headers.get("Date"))
                if response.status >= 300:
                    raise from_status(response.status, _status_object(await response.read()))
                for warning in response.headers.getall("Warning", ()):
                    logger.warning("the API server warns of %s %s: %s", method, path, _warning_text(warning))
                yield response
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise UnavailableError(
                0, "Unavailable", f"cannot reach the API server at {self.host}: {_why(error)}"
            ) from error

    def _new_session(
        self, headers: Mapping[str, str], response_class: type[aiohttp.ClientResponse] = aiohttp.ClientResponse
    ) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            response_class=response_class,
            connector=aiohttp.TCPConnector(
                limit=MAX_CONNECTIONS, ssl=self._ssl_context(), socket_factory=probing_socket
            ),
            headers={"User-Agent": self.user_agent, "Accept": "application/json", **headers},
            read_bufsize=READ_BUFFER_BYTES,
            proxy=self.configuration.proxy,
            # A proxy that the kubeconfig names is meant; one of the environment is not meant for everything.
            trust_env=not goes_direct(self.host),
        )

    def _ssl_context(self) -> ssl.SSLContext | bool:
        if not self.host.startswith("https"):
            return True
        configuration = self.configuration
        context = ssl.create_default_context(cafile=configuration.ssl_ca_cert, cadata=configuration.ca_cert_data)
        if configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
        if not configuration.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        # Authorities made by older tools lack the key usage extension that strict verification asks for.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context

    async def _auth_headers(self) -> dict[str, str]:
        setting = (await self.configuration.auth_settings()).get("BearerToken")
        return {setting["key"]: str(setting["value"])} if setting else {}


def probing_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket for the address that notices when its other end is gone."""
    family, kind, protocol, _, _ = address
    sock = socket.socket(family, kind, protocol)
    notice_dead_peers(sock, PROBING)
    return sock


def _status_object(body: bytes) -> JsonObject:
    try:
        status = json.loads(body)
    except ValueError:
        return {"message": without_middle(body.decode("utf-8", "replace").strip(), 500)}
    return status if isinstance(status, dict) else {}


def _warning_text(header: str) -> str:
    """The text of a `Warning` header (RFC 7234), of one that names an unknown field, say: it is in quotes."""
    _, _, quoted = header.partition('"')
    return re.sub(r"\\(.)", r"\1", quoted.removesuffix('"')) or header


def _why(error: BaseException) -> str:
    return str(error) or type(error).__name__


async def parsed_json(text: bytes) -> Any:
    """The JSON value, without what nests too deep for Python's parser (`json_nesting.py`)."""
    try:
        return json.loads(text)
    except RecursionError:
        return json.loads(await asyncio.to_thread(cut, text))


class ShallowResponse(aiohttp.ClientResponse):
    """A response that can be parsed by Python's parser, as a whole or, where it is streamed in chunks, line by line."""

    async def start(self, connection: aiohttp.connector.Connection) -> Self:
        await super().start(connection)
        self.content = cast(aiohttp.StreamReader, _ShallowLines(self.content))
        return self

    async def read(self) -> bytes:
        self._body = await _shallow(await super().read())
        return self._body


class _ShallowLines:
    """A body whose chunks are whole lines."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, _size: int) -> AsyncIterator[bytes]:
        async for line in streamed_lines(self._content):
            yield await _shallow(line) + b"\n"


async def _shallow(text: bytes) -> bytes:
    return await asyncio.to_thread(cut, text) if may_nest_deeper(text, MAX_READ_LEVELS) else text


async def streamed_lines(content: aiohttp.StreamReader, longest: int | None = None) -> AsyncIterator[bytes]:
    """Lines of a streamed body; a line may be longer than any read buffer. One of over `longest` bytes is cut up."""
    pending = bytearray()
    async for chunk in content.iter_any():
        pending += chunk
        *lines, rest = pending.split(b"\n")
        for line in lines:
            if line:
                yield bytes(line)
        pending = bytearray(rest)
        if longest is not None and len(pending) > longest:
            yield bytes(pending)
            pending.clear()
    if pending:
        yield bytes(pending)


async def _refuse_redirect(_session: object, _context: object, redirect: aiohttp.TraceRequestRedirectParams) -> None:
    """An API server does not redirect; whatever does is to have neither the token nor the answer's place."""
    to = redirect.response.headers.get("Location", "nowhere")
    raise aiohttp.ClientConnectionError(f"{redirect.url.host} redirects to {to!r}: no API server does that")
