"""A component's progress and log messages, on their way out of the process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
from collections.abc import Callable

from mcptasks.gateway.contract import ProgressReport
from mcptasks.model.excerpts import without_middle
from mcptasks.model.task import MAX_PROGRESS_MESSAGE
from mcptasks.runner.gateway_client import GatewayClient, TaskOverError
from mcptasks.tasks.throttle import Throttle

logger = logging.getLogger(__name__)
tool_logger = logging.getLogger("mcptasks.tool")

FLUSH_SECONDS = 2.0

GATHER_SECONDS = 0.02
"""A tool says its total, message and progress in calls of their own: the first report has all of them."""

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

    It belongs to the loop that it is made on. A report that cannot be sent is sent again unless there is a newer one.
    `on_over` is called once, on the loop's thread, when the gateway says that the task is over.
    """

    def __init__(
        self,
        client: GatewayClient,
        interval_seconds: float,
        on_over: Callable[[TaskOverError], None],
    ) -> None:
        self._client = client
        self._on_over = on_over
        self._throttle: Throttle[ProgressReport] = Throttle(
            self._send, interval_seconds, self._failed, gather_seconds=GATHER_SECONDS
        )

    async def progress(self, current: float, total: float | None, message: str | None) -> None:
        """Take a report; the latest one wins. Never blocks."""
        self.post(current, total, message)

    def post(self, current: float, total: float | None, message: str | None) -> None:
        """The same for synchronous code."""
        if not math.isfinite(current) or (total is not None and not math.isfinite(total)):
            logger.debug("progress of %s of %s is not a finite number", current, total)
            return
        text = None if message is None else without_middle(str(message), MAX_PROGRESS_MESSAGE)
        self._throttle.post(ProgressReport(current=current, total=total, message=text))

    def log(self, level: str, data: object) -> None:
        """Write a log message of the component's to the Pod's log."""
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, default=str)
        tool_logger.log(LEVELS.get(level, logging.INFO), "%s", text)

    async def flush(self) -> None:
        """On the loop: send the last report, if it is still here, and none after it.

        Gives up after `FLUSH_SECONDS`: the outcome matters more.
        """
        with contextlib.suppress(TimeoutError, TaskOverError):
            async with asyncio.timeout(FLUSH_SECONDS):
                await self._throttle.drain()
        await self._throttle.aclose()

    async def _send(self, report: ProgressReport) -> None:
        if not await self._client.report(report):
            self._throttle.put_back(report)

    def _failed(self, error: Exception) -> None:
        self._throttle.stop()
        if not isinstance(error, TaskOverError):
            raise error
        self._on_over(error)
