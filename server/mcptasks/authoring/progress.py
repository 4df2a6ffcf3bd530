"""`progress(...)`: how a tool says how far it is, from synchronous and asynchronous code alike."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TypeAlias

logger = logging.getLogger(__name__)

PACE_SECONDS = 0.02
"""The shortest time between two reports that are passed on: a tight loop must not wake another thread each time."""

ProgressListener: TypeAlias = Callable[[float, float | None, str | None], None]
"""Takes current, total and message; must not block and may be called from any thread."""

_LISTENER: ContextVar[ProgressListener | None] = ContextVar("mcptasks_progress", default=None)


def progress(current: float, total: float | None = None, message: str | None = None) -> None:
    """Report progress of the current call.

    In a task it reaches `status.progress`, the task's status message and `kubectl get mcptasks`, at most once a second;
    in an inline call it becomes progress notifications if the caller asked for them. Cheap enough for a tight loop, and
    without effect outside of a call.

    Args:
        current: how much is done, in any unit.
        total: how much there is to do, in the same unit, if known.
        message: what is being done, for people and models.
    """
    listener = _LISTENER.get()
    if listener is not None:
        listener(current, total, message)


def current_listener() -> ProgressListener | None:
    """Where progress of the current context goes; None where nobody listens."""
    return _LISTENER.get()


@contextmanager
def listening(listener: ProgressListener) -> Iterator[None]:
    """Send progress of the current context to the listener."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


class LatestReport:
    """A listener that passes the latest report on, on the thread of the loop that it was made on.

    Reports may come from any thread, as fast as they like: one that comes while an earlier one is passed on, or within
    `PACE_SECONDS` of it, waits, and a later one takes its place. The last one always arrives, at the latest in
    `aclose`. An error of `deliver` is logged and concerns that report alone.
    """

    def __init__(self, deliver: Callable[[float, float | None, str | None], Awaitable[None]]) -> None:
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._latest: deque[tuple[float, float | None, str | None]] = deque(maxlen=1)
        self._awake = False
        self._closing = asyncio.Event()
        self._delivery: asyncio.Task[None] | None = None

    def __call__(self, current: float, total: float | None, message: str | None) -> None:
        # No lock: a signal may interrupt this at any point and report as well. A report is put down before the flag
        # is read, and `_run` lowers the flag before it looks for reports, so that none is overlooked.
        self._latest.append((current, total, message))
        if not self._awake and not self._closing.is_set():
            self._awake = True
            self._loop.call_soon_threadsafe(self._start)

    def _start(self) -> None:
        if not self._closing.is_set() and (self._delivery is None or self._delivery.done()):
            self._delivery = self._loop.create_task(self._run())

    async def _run(self) -> None:
        while self._latest:
            await self._pass_on()
            with suppress(TimeoutError):
                async with asyncio.timeout(PACE_SECONDS):
                    await self._closing.wait()
            self._awake = False

    async def _pass_on(self) -> None:
        try:
            await self._deliver(*self._latest.popleft())
        except Exception as error:  # noqa: BLE001 - progress that cannot be sent is no reason to fail the call
            logger.debug("progress could not be passed on: %s", error)

    async def aclose(self) -> None:
        """On the loop: pass on the last report; those that come later are dropped."""
        self._closing.set()
        if self._delivery is not None:
            await asyncio.wait([self._delivery])
        if self._latest:
            await self._pass_on()
