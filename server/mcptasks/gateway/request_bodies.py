"""Request bodies, read within a limit of memory for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from starlette.requests import ClientDisconnect, Request

from mcptasks.gateway.contract import RefusalCode
from mcptasks.gateway.refusals import RefusedError, unavailable

BODY_SECONDS = 120.0
DISCARD_SECONDS = 10.0


class BodyBudget:
    """Bytes of request bodies that may be in memory at once, over all requests."""

    def __init__(self, total: int) -> None:
        self._left = total

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Hold `size` bytes of the budget. Raises RefusedError where it is used up."""
        if size > self._left:
            raise unavailable("too many large outcomes are being delivered at once")
        self._left -= size
        try:
            yield
        finally:
            self._left += size


def declared_size(request: Request, limit: int) -> int:
    """The body's size by its header, or `limit` where it has none. Raises RefusedError for a larger one."""
    header = request.headers.get("content-length", "")
    size = int(header) if header.isascii() and header.isdigit() else limit
    if size > limit:
        raise too_large(limit)
    return size


async def read_body(request: Request, limit: int) -> bytearray:
    """The whole body.

    Raises:
        RefusedError: it is larger than `limit`, or does not arrive in time.
        ClientDisconnect: the runner has gone.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise too_large(limit)
    except TimeoutError as error:
        raise unavailable("the request's body did not arrive in time") from error
    return body


async def discard_body(request: Request, limit: int) -> None:
    """Read what is left of a refused request's body and forget it, up to `limit` bytes.

    A connection that is closed while the runner still sends is reset, and the runner never sees the answer.
    """
    size = 0
    # A body that has been read to its end raises RuntimeError.
    with suppress(TimeoutError, ClientDisconnect, RuntimeError):
        async with asyncio.timeout(DISCARD_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    return


def too_large(limit: int) -> RefusedError:
    return RefusedError(RefusalCode.INVALID, f"the request's body is larger than {limit} bytes", status=413)
