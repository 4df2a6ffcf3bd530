"""Request bodies: one at a time for each Pod and task, within a limit of memory for all, and none that drips."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect, Request

from mcptasks.gateway.contract import RefusalCode
from mcptasks.gateway.refusals import RefusedError, too_often, unavailable
from mcptasks.settings import KIB

BODY_SECONDS = 120.0
"""How long a whole body may take."""

STALL_SECONDS = 10.0
STALL_BYTES = 64 * KIB
"""Bytes of an unfinished body that have to come in every `STALL_SECONDS`."""

FREE_BYTES = 64 * KIB
"""So much of each body is not counted: outcomes of this size go through while large ones have to wait."""


@dataclass(eq=False)
class BodyReader:
    """Reads the bodies of all requests.

    `total` bytes of them may be in memory at once, besides `FREE_BYTES` of each. What counts is what has come, not what
    a request announces.
    """

    total: int
    stall_seconds: float = STALL_SECONDS
    _used: int = field(default=0, init=False)
    _senders: set[Hashable] = field(default_factory=set, init=False)

    @contextmanager
    def upload(self, sender: Hashable) -> Iterator[Upload]:
        """The sender's only body at this time, which counts until the context ends. Raises RefusedError for another."""
        if sender in self._senders:
            raise too_often("the Pod sends such a body already; the gateway takes one at a time")
        self._senders.add(sender)
        upload = Upload(self)
        try:
            yield upload
        finally:
            self._senders.remove(sender)
            self._used -= upload.counted

    def count(self, more: int) -> None:
        """Count bytes that have come. Raises RefusedError where there is no room for them."""
        if self._used + more > self.total:
            raise unavailable("too many large bodies are being delivered at once")
        self._used += more


@dataclass(eq=False)
class Upload:
    """One body that is being read, and then used."""

    reader: BodyReader
    counted: int = 0

    async def read(self, request: Request, limit: int) -> bytearray:
        """The whole body.

        Raises:
            RefusedError: it is larger than `limit`, does not arrive in time, or there is no room for it.
            ClientDisconnect: the runner has gone.
        """
        size = declared_size(request, limit)
        try:
            async with asyncio.timeout(BODY_SECONDS), asyncio.timeout(self.reader.stall_seconds) as stall:
                return await self._read(request, size, stall)
        except TimeoutError as error:
            raise unavailable("the request's body did not arrive in time") from error

    async def _read(self, request: Request, limit: int, stall: asyncio.Timeout) -> bytearray:
        loop, body, paced = asyncio.get_running_loop(), bytearray(), 0
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise too_large(limit)
            self._count(len(body))
            if len(body) - paced >= STALL_BYTES:
                paced = len(body)
                stall.reschedule(loop.time() + self.reader.stall_seconds)
        return body

    def _count(self, size: int) -> None:
        more = size - FREE_BYTES - self.counted
        if more > 0:
            self.reader.count(more)
            self.counted += more


def declared_size(request: Request, limit: int) -> int:
    """The body's size by its header, or `limit` where it has none. Raises RefusedError for a larger one."""
    header = request.headers.get("content-length", "")
    size = int(header) if header.isascii() and header.isdigit() else limit
    if size > limit:
        raise too_large(limit)
    return size


async def discard_body(request: Request, limit: int, seconds: float) -> None:
    """Read what is left of a refused request's body and forget it, up to `limit` bytes and for at most `seconds`.

    A connection that is closed while the runner still sends is reset, and the runner never sees the answer.
    """
    size = 0
    # A body that has been read to its end raises RuntimeError.
    with suppress(TimeoutError, ClientDisconnect, RuntimeError):
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    return


def too_large(limit: int) -> RefusedError:
    return RefusedError(RefusalCode.INVALID, f"the request's body is larger than {limit} bytes", status=413)
