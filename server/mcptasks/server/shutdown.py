"""How the server ends on SIGTERM or SIGINT: it drains, then closes its connections."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import uvicorn

from mcptasks.tasks.service import TaskService

logger = logging.getLogger(__name__)

WRITE_SECONDS = 0.2
"""How long the last answers take to be written."""


@asynccontextmanager
async def stop_on_signals(
    service: TaskService, servers: Sequence[uvicorn.Server], drain_seconds: float
) -> AsyncIterator[None]:
    """Drain, then stop: blocked calls end with an error that says so before their connections are closed.

    Calls that another replica can continue end at once, all others when the drain time is over.
    """
    loop = asyncio.get_running_loop()
    stopping: list[asyncio.Task[None]] = []

    async def stop(number: signal.Signals) -> None:
        logger.info("%s: draining, then stopping", number.name)
        service.draining.set()
        # Long enough for the errors to be written; uvicorn itself waits for the connections to become idle.
        await asyncio.sleep(min(WRITE_SECONDS, drain_seconds))
        for server in servers:
            server.should_exit = True
        await asyncio.sleep(drain_seconds)
        service.closing.set()
        await asyncio.sleep(WRITE_SECONDS)
        for server in servers:
            # sse-starlette takes this call as its sign to cut all streams, so it must not come before.
            server.handle_exit(signal.SIGTERM, None)

    def on_signal(number: signal.Signals) -> None:
        if not stopping:
            stopping.append(loop.create_task(stop(number)))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        for task in stopping:
            task.cancel()
        await asyncio.gather(*stopping, return_exceptions=True)
