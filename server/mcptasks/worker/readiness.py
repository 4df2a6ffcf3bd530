"""The worker's readiness, over HTTP, for the kubelet's probe: `GET /readyz`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

READY_PATH = "/readyz"
REQUEST_SECONDS = 5.0
MAX_REQUEST_BYTES = 8192


def readiness_answer(request_line: bytes, unready: str | None) -> bytes:
    """The answer to a request, of which the first line is known.

    Args:
        unready: why the worker cannot take tasks; None where it can.
    """
    method, _, rest = request_line.decode("latin-1").partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    if path != READY_PATH:
        status, text = "404 Not Found", f"there is {READY_PATH} and nothing else\n"
    elif method not in ("GET", "HEAD"):
        status, text = "405 Method Not Allowed", "GET it\n"
    elif unready is None:
        status, text = "200 OK", "ok\n"
    else:
        status, text = "503 Service Unavailable", f"{unready}\n"
    body = text.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + (b"" if method == "HEAD" else body)


@asynccontextmanager
async def readiness_served(
    host: str | None, port: int | None, unready: Callable[[], str | None]
) -> AsyncIterator[None]:
    """Answer probes at the address, or at all of them, for the length of the context; no port, no probes.

    Raises OSError where the port is taken.
    """
    if port is None:
        yield
        return

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(readiness_answer(head.partition(b"\r\n")[0], unready()))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, host, port, limit=MAX_REQUEST_BYTES)
    try:
        yield
    finally:
        server.close()
