"""A component's progress and log messages, on their way out of the process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import threading
from collections.abc import Callable

from mcptasks.gateway.contract import ProgressReport
from mcptasks.runner.gateway_client import GatewayClient, TaskOverError

logger = logging.getLogger(__name__)
tool_logger = logging.getLogger("mcptasks.tool")

MAX_MESSAGE = 4096
FLUSH_SECONDS = 2.0

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "notice": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "alert": logging.CRITICAL,
    "emergency": logging.CRITICAL,
}
"""The MCP's log levels (RFC 5424) as Python's."""


class Reporter:
    """Takes reports from any thread and sends the latest one, at most once in each interval.

    A report that cannot be sent is dropped for the next one. `on_over` is called once, on the loop's thread, when the
    gateway says that the task is over.
    """

    def __init__(
        self,
        client: GatewayClient,
        interval_seconds: float,
        loop: asyncio.AbstractEventLoop,
        on_over: Callable[[TaskOverError], None],
    ) -> None:
        self._client = client
        self._interval = interval_seconds
        self._loop = loop
        self._on_over = on_over
        self._guard = threading.Lock()
        self._latest: ProgressReport | None = None
        self._wake = asyncio.Event()
        self._sending = asyncio.Lock()

    async def progress(self, current: float, total: float | None, message: str | None) -> None:
        """Take a report; the latest one wins. Never blocks."""
        if not math.isfinite(current) or (total is not None and not math.isfinite(total)):
            logger.debug("progress of %s of %s is no progress", current, total)
            return
        report = ProgressReport(
            current=current, total=total, message=None if message is None else str(message)[:MAX_MESSAGE]
        )
        with self._guard:
            first, self._latest = self._latest is None, report
        if first:
            self._loop.call_soon_threadsafe(self._wake.set)

    def log(self, level: str, data: object) -> None:
        """Write a log message of the component's to the Pod's log."""
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, default=str)
        tool_logger.log(LEVELS.get(level, logging.INFO), "%s", text)

    async def run(self) -> None:
        """On the loop: send what comes, until cancelled or until the task is over."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                async with self._sending:
                    await self._send()
                await asyncio.sleep(self._interval)
        except TaskOverError as error:
            self._on_over(error)

    async def flush(self) -> None:
        """On the loop: send the last report, if it is still here. Gives up soon: the outcome matters more."""
        with contextlib.suppress(TimeoutError, TaskOverError):
            async with asyncio.timeout(FLUSH_SECONDS), self._sending:
                await self._send()

    async def _send(self) -> None:
        with self._guard:
            report, self._latest = self._latest, None
        if report is None or await self._client.report(report):
            return
        with self._guard:
            self._latest = self._latest or report
        self._wake.set()
