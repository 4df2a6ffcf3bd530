"""`progress(...)`: how a tool says how far it is, from synchronous and asynchronous code alike."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeAlias

from mcptasks.tasks.throttle import Throttle

logger = logging.getLogger(__name__)

PACE_SECONDS = 0.02
"""The shortest time between two reports that are passed on: a tight loop must not wake another thread each time."""

ProgressListener: TypeAlias = Callable[[float, float | None, str | None], None]
"""Takes current, total and message; must not block and may be called from any thread."""

_LISTENER: ContextVar[ProgressListener | None] = ContextVar("mcptasks_progress", default=None)


@dataclass
class _ProcessListener:
    """Where progress of this process goes that belongs to no context; a process that runs one call alone has one."""

    listener: ProgressListener | None = None


_PROCESS = _ProcessListener()


def progress(current: float, total: float | None = None, message: str | None = None) -> None:
    """Report progress of the current call.

    In a task it reaches `status.progress`, the task's status message and `kubectl get mcptasks`, at most once a second;
    in an inline call it becomes progress notifications if the caller asked for them. Cheap enough for a tight loop, and
    without effect outside of a call. In a task it works in all threads of the process. Inline, threads that the tool
    starts itself belong to no call: give them the `Progress` dependency, or `contextvars.copy_context().run`.

    Args:
        current: how much is done, in any unit.
        total: how much there is to do, in the same unit, if known.
        message: what is being done, for people and models.
    """
    listener = current_listener()
    if listener is not None:
        listener(current, total, message)


def current_listener() -> ProgressListener | None:
    """Where progress of the current context goes; None where nobody listens."""
    return _LISTENER.get() or _PROCESS.listener


@contextmanager
def listening(listener: ProgressListener) -> Iterator[None]:
    """Send progress of the current context to the listener."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


@contextmanager
def listening_in_all_threads(listener: ProgressListener) -> Iterator[None]:
    """Send all progress of the process to the listener, from whatever thread: new threads begin with an empty context.

    Only for a process that runs a single call. In a server nobody could tell which call a thread belongs to.
    """
    before, _PROCESS.listener = _PROCESS.listener, listener
    try:
        yield
    finally:
        _PROCESS.listener = before


@dataclass(frozen=True)
class _Report:
    current: float
    total: float | None
    message: str | None


class LatestReport:
    """A listener that passes the latest report on, on the thread of the loop that it was made on.

    Reports may come from any thread, as fast as they like. The last one always arrives, at the latest in `aclose`. An
    error of `deliver` is logged and concerns that report alone.
    """

    def __init__(self, deliver: Callable[[float, float | None, str | None], Awaitable[None]]) -> None:
        self._deliver = deliver
        self._throttle: Throttle[_Report] = Throttle(self._pass_on, PACE_SECONDS, _cannot_be_sent)

    def __call__(self, current: float, total: float | None, message: str | None) -> None:
        self._throttle.post(_Report(current, total, message))

    async def _pass_on(self, report: _Report) -> None:
        await self._deliver(report.current, report.total, report.message)

    async def aclose(self) -> None:
        """On the loop: pass on the last report; those that come later are dropped."""
        try:
            await self._throttle.drain()
        except Exception as error:  # noqa: BLE001 - the call goes on, whatever the error is
            _cannot_be_sent(error)


def _cannot_be_sent(error: Exception) -> None:
    """Progress that cannot be sent does not fail the call."""
    logger.debug("progress could not be passed on: %s", error)
