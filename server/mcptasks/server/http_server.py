"""An HTTP server for one port: uvicorn, without what the process does itself."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

KEEP_ALIVE_SECONDS = 75
"""Longer than the 60 seconds of common proxies, so that the proxy closes idle connections and not we."""

CLOSING_SECONDS = 2
"""How long a stopping server waits for its last errors to be written before it cuts the connections."""


class _UnsignalledServer(uvicorn.Server):
    """Leaves the signals to the process, which has two servers to stop."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def http_server(app: ASGIApp, drain_seconds: float) -> uvicorn.Server:
    """A server for the application, which waits for its connections for that long when it is stopped."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=round(drain_seconds + CLOSING_SECONDS),
    )
    return _UnsignalledServer(config)
