"""Holds a runner's progress back, so that the status is not written more often than it may be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from mcptasks.gateway.contract import ProgressReport, RefusalCode
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.refusals import RefusedError
from mcptasks.tasks.throttle import Throttle

logger = logging.getLogger(__name__)

REFUSAL_INTERVALS = 10
"""For how many intervals a refusal is kept for a Pod that has not heard it yet."""

Key = tuple[str, str, int | None]
Write = Callable[[TaskPod, ProgressReport], Awaitable[None]]


class ProgressThrottle:
    """Writes the first report of a Pod at once and then the latest one of each interval.

    What waits here is lost with the process: the next report, or the outcome, makes up for it.
    """

    def __init__(self, write: Write, interval_seconds: float) -> None:
        self._write = write
        self._interval = interval_seconds
        self._throttles: dict[Key, Throttle[ProgressReport]] = {}
        self._refused: dict[Key, RefusedError] = {}

    async def report(self, pod: TaskPod, report: ProgressReport) -> None:
        """Write the report now, or keep it until its turn. Raises RefusedError, also for the last kept one."""
        key = pod.key
        refused = self._refused.get(key)
        if refused is not None:
            raise refused
        throttle = self._throttles.get(key)
        if throttle is None:
            throttle = self._throttles[key] = self._throttle_of(pod)
        await throttle.offer(report)

    def take(self, pod: TaskPod) -> ProgressReport | None:
        """The report that still waits; it is up to the caller now."""
        throttle = self._throttles.get(pod.key)
        return None if throttle is None else throttle.take()

    async def aclose(self) -> None:
        """Drop what waits."""
        throttles = list(self._throttles.values())
        self._throttles.clear()
        await asyncio.gather(*(throttle.aclose() for throttle in throttles))

    def _throttle_of(self, pod: TaskPod) -> Throttle[ProgressReport]:
        key = pod.key

        async def write(report: ProgressReport) -> None:
            await self._write(pod, report)

        def failed(error: Exception) -> None:
            if not isinstance(error, RefusedError):
                logger.error("cannot write the progress", exc_info=error, extra={"task": pod.task_name})
            elif error.code is not RefusalCode.UNAVAILABLE:
                self._refuse(key, error)

        def idle() -> None:
            self._throttles.pop(key, None)

        return Throttle(write, self._interval, failed, idle)

    def _refuse(self, key: Key, error: RefusedError) -> None:
        """Keep the refusal for the Pod's next report."""
        self._refused[key] = error
        asyncio.get_running_loop().call_later(self._interval * REFUSAL_INTERVALS, self._refused.pop, key, None)
