"""Connections that cannot be accepted because the process has no file descriptor left."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from mcptasks.network.sparse_log import SparseLog

logger = logging.getLogger(__name__)

OUT_OF_RESOURCE = "socket.accept() out of system resource"
"""What asyncio says of it, once for each connection that waits, again every second."""


def report_accept_errors_sparsely(loop: asyncio.AbstractEventLoop) -> None:
    """Have the loop report such connections in a line every ten seconds, and everything else as before."""
    before = loop.get_exception_handler()
    sparse = SparseLog(logger, logging.ERROR)

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") == OUT_OF_RESOURCE:
            sparse.say("no connection can be accepted: %s; raise the process's limit (ulimit -n)", context["exception"])
        elif before is None:
            loop.default_exception_handler(context)
        else:
            before(loop, context)

    loop.set_exception_handler(handle)
