"""An HTTP server for one port: uvicorn, without what the process does itself, and with bounds for its clients."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from mcptasks.network.connection_table import ConnectionTable
from mcptasks.network.sparse_log import SparseLog
from mcptasks.server.bounded_protocol import BoundedProtocol, ClientPatience

KEEP_ALIVE_SECONDS = 75
"""Longer than the 60 seconds of common proxies, so that the proxy closes idle connections and not we."""

CLOSING_SECONDS = 2
"""How long a stopping server waits for its last errors to be written before it cuts the connections."""

INVALID_REQUEST = "Invalid HTTP request received."

logger = logging.getLogger(__name__)


class _UnsignalledServer(uvicorn.Server):
    """Leaves the signals to the process, which has two servers to stop."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def http_server(
    app: ASGIApp,
    drain_seconds: float,
    table: ConnectionTable,
    patience: ClientPatience | None = None,
    *,
    believes_proxies: bool = True,
) -> uvicorn.Server:
    """A server for the application, which waits for its connections for that long when it is stopped.

    Where it does not believe proxies, a request's client is whoever the connection is to, whatever a header says.
    """
    protocol = partial(BoundedProtocol, table, patience or ClientPatience())
    config = uvicorn.Config(
        app,
        # uvicorn calls it, whatever it is.
        http=cast("type[asyncio.Protocol]", protocol),
        ws="none",
        proxy_headers=believes_proxies,
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=round(drain_seconds + CLOSING_SECONDS),
    )
    return _UnsignalledServer(config)


class InvalidRequestFilter(logging.Filter):
    """For uvicorn's logger, which tells of each request that is none: anybody can send them by the thousand."""

    def __init__(self) -> None:
        super().__init__()
        self._sparse = SparseLog(logger)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.msg != INVALID_REQUEST:
            return True
        self._sparse.say("a request that is no HTTP was refused")
        return False
