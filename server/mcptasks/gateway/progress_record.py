"""Progress in the status: how it reads, and not more often than it may be written."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from mcptasks.gateway.contract import ProgressReport, RefusalCode
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.refusals import RefusedError
from mcptasks.model.lifecycle import timestamp
from mcptasks.model.task import JsonObject, McpTask, Phase, Progress

logger = logging.getLogger(__name__)

MAX_PROGRESS_MESSAGE = 4096
EXACT_INTEGERS = 1e15

REFUSAL_INTERVALS = 10
"""For how many intervals a refusal is kept for a Pod that has not heard it yet."""


def refuse_non_finite(report: ProgressReport) -> None:
    """Raises RefusedError for numbers that JSON does not have."""
    if not math.isfinite(report.current) or not (report.total is None or math.isfinite(report.total)):
        raise RefusedError(RefusalCode.INVALID, "progress must be finite numbers")


def progress_of(report: ProgressReport) -> Progress:
    """The report as the status shows it."""
    message = None if report.message is None else report.message[:MAX_PROGRESS_MESSAGE]
    return Progress(current=report.current, total=report.total, message=message, display=display(report))


def display(report: ProgressReport) -> str:
    """Progress for people: `45% (9/20)`, or `9` where the total is unknown."""
    if report.total is None:
        return _number(report.current)
    of_total = f"{_number(report.current)}/{_number(report.total)}"
    share = report.current / report.total * 100 if report.total > 0 else math.inf
    return f"{math.floor(share)}% ({of_total})" if abs(share) < EXACT_INTEGERS else of_total


def _number(value: float) -> str:
    if abs(value) >= EXACT_INTEGERS or 0 < abs(value) < 0.01:
        return f"{value:.3g}"
    return f"{value:.2f}".rstrip("0").rstrip(".")


def progress_patch(task: McpTask, report: ProgressReport, now: datetime) -> JsonObject | None:
    """The status patch for a report; None where it would change nothing that anyone can see."""
    progress = progress_of(report)
    if task.status.progress == progress:
        return None
    status: JsonObject = {
        "progress": progress.model_dump(mode="json", by_alias=True),
        "lastUpdatedAt": timestamp(now),
    }
    if task.phase is Phase.WORKING:
        status["message"] = progress.message or progress.display
    return {"status": status}


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
