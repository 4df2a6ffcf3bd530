"""Holds a runner's progress back, so that the status is not written more often than it may be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mcptasks.gateway.contract import ProgressReport, RefusalCode
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.refusals import RefusedError

logger = logging.getLogger(__name__)

REFUSAL_INTERVALS = 10
"""For how many intervals a refusal is kept for a Pod that has not heard it yet."""

Key = tuple[str, str]
Write = Callable[[TaskPod, ProgressReport], Awaitable[None]]


@dataclass(eq=False)
class _Slot:
    """One Pod's turn: nothing more is written for it until the timer fires."""

    pending: ProgressReport | None = None
    refused: RefusedError | None = None
    timer: asyncio.TimerHandle | None = None


class ProgressThrottle:
    """Writes the first report of a Pod at once and then the latest one of each interval.

    What waits here is lost with the process: the next report, or the outcome, makes up for it.
    """

    def __init__(self, write: Write, interval_seconds: float) -> None:
        self._write = write
        self._interval = interval_seconds
        self._slots: dict[Key, _Slot] = {}
        self._flushes: set[asyncio.Task[None]] = set()

    async def report(self, pod: TaskPod, report: ProgressReport) -> None:
        """Write the report now, or keep it until its turn. Raises RefusedError, also for the last kept one."""
        key = _key(pod)
        slot = self._slots.get(key)
        if slot is not None:
            if slot.refused is not None:
                raise slot.refused
            slot.pending = report
            return
        slot = self._slots[key] = _Slot()
        try:
            await self._write(pod, report)
        finally:
            self._rearm(pod, slot, self._interval)

    def take(self, pod: TaskPod) -> ProgressReport | None:
        """The report that still waits; it is up to the caller now."""
        slot = self._slots.get(_key(pod))
        if slot is None:
            return None
        pending, slot.pending = slot.pending, None
        return pending

    async def aclose(self) -> None:
        """Drop what waits."""
        for slot in self._slots.values():
            if slot.timer is not None:
                slot.timer.cancel()
        self._slots.clear()
        for flush in self._flushes:
            flush.cancel()
        await asyncio.gather(*self._flushes, return_exceptions=True)

    def _rearm(self, pod: TaskPod, slot: _Slot, seconds: float) -> None:
        if self._slots.get(_key(pod)) is slot:
            slot.timer = asyncio.get_running_loop().call_later(seconds, self._turn, pod, slot)

    def _turn(self, pod: TaskPod, slot: _Slot) -> None:
        report, slot.pending = slot.pending, None
        if report is None:
            self._slots.pop(_key(pod), None)
            return
        flush = asyncio.get_running_loop().create_task(self._flush(pod, slot, report))
        self._flushes.add(flush)
        flush.add_done_callback(self._flushes.discard)

    async def _flush(self, pod: TaskPod, slot: _Slot, report: ProgressReport) -> None:
        seconds = self._interval
        try:
            await self._write(pod, report)
        except RefusedError as error:
            if error.code is not RefusalCode.UNAVAILABLE:
                slot.refused = error
                seconds = self._interval * REFUSAL_INTERVALS
        except Exception:
            logger.exception("cannot write the progress of task %s", pod.task_name)
        self._rearm(pod, slot, seconds)


def _key(pod: TaskPod) -> Key:
    return pod.task_uid, pod.uid
