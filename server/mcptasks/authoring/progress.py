"""`progress(...)`: how a tool says how far it is, from synchronous and asynchronous code alike."""

from __future__ import annotations

import logging
import math
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeAlias

from mcptasks.tasks.throttle import Throttle

logger = logging.getLogger(__name__)

PACE_SECONDS = 0.02
"""The shortest time between two reports that are passed on: a tight loop must not wake another thread each time."""

ProgressListener: TypeAlias = Callable[[float, float | None, str | None], None]
"""Takes current, total and message; must not block and may be called from any thread."""


@dataclass(eq=False)
class _Call:
    """A call that listens. Threads that were there before it began are hardly its own.

    Args:
        outer: the call that this one is a part of.
    """

    listener: ProgressListener
    outer: _Call | None
    earlier_threads: weakref.WeakSet[threading.Thread]


@dataclass(eq=False)
class _Listeners:
    """Who listens in this process. A process that runs one call alone has a listener of its own, for all threads."""

    of_process: ProgressListener | None = None
    calls: list[_Call] = field(default_factory=list)
    has_warned: bool = False
    has_warned_of_numbers: bool = False

    def remove(self, call: _Call) -> None:
        """The call has ended. When all have, the next warning of a kind is worth its line again."""
        self.calls.remove(call)
        self.has_warned = self.has_warned and bool(self.calls)
        self.has_warned_of_numbers = self.has_warned_of_numbers and bool(self.calls)

    def warn_of_numbers(self, current: object, total: object) -> None:
        """A report has been dropped because it has no numbers."""
        if not self.has_warned_of_numbers:
            self.has_warned_of_numbers = True
            logger.warning(
                "progress is dropped: its numbers (%s of %s) must be finite, and only the total may be None",
                *(repr(each) if isinstance(each, float) else type(each).__name__ for each in (current, total)),
            )

    def of_thread(self, thread: threading.Thread) -> ProgressListener | None:
        """The listener of a thread without a context: the process's, or that of the only call that it can belong to."""
        if self.of_process is not None or not self.calls:
            return self.of_process
        # A copy: other threads add and remove calls.
        calls = _innermost(tuple(self.calls))
        found = calls if len(calls) == 1 else [call for call in calls if thread not in call.earlier_threads]
        if len(found) == 1:
            return found[0].listener
        if not self.has_warned:
            self.has_warned = True
            logger.warning(
                "progress of a thread is dropped, because several calls run in this process and it may belong to any "
                "of them: give the thread the Progress dependency, or start it in contextvars.copy_context().run"
            )
        return None


def _innermost(calls: Sequence[_Call]) -> list[_Call]:
    outer = {id(call.outer) for call in calls}
    return [call for call in calls if id(call) not in outer]


_CALL: ContextVar[_Call | None] = ContextVar("mcptasks_progress", default=None)

_LISTENERS = _Listeners()


def progress(current: float, total: float | None = None, message: str | None = None) -> None:
    """Report progress of the current call.

    In a task it reaches `status.progress`, the task's status message and `kubectl get mcptasks`, at most once a second;
    in an inline call it becomes progress notifications if the caller asked for them. Cheap enough for a tight loop, and
    without effect outside of a call. In a task it works in all threads of the process. Inline, threads that the tool
    starts itself belong to no call: give them the `Progress` dependency, or `contextvars.copy_context().run`.

    What is no finite number is dropped with a warning in the log, and does not fail the tool.

    Args:
        current: how much is done, in any unit.
        total: how much there is to do, in the same unit, if known.
        message: what is being done, for people and models.
    """
    listener = current_listener()
    if listener is not None:
        report_to(listener, current, total, message)


def report_to(listener: ProgressListener, current: float, total: float | None, message: str | None) -> None:
    """Pass a report on, if it has numbers; its message as text, whatever it is. Raises nothing."""
    try:
        report = _number(current), None if total is None else _number(total), None if message is None else str(message)
    except Exception:  # noqa: BLE001 - what tools hand over may raise anything
        _LISTENERS.warn_of_numbers(current, total)
    else:
        listener(*report)


def _number(value: float) -> float:
    """A number that JSON has, of one that only behaves like it. Raises ValueError, TypeError or OverflowError."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is not finite")
    return value if type(value) in (int, float) else float(value)


def current_listener() -> ProgressListener | None:
    """Where progress of the current context goes; None where nobody listens."""
    call = _CALL.get()
    return _LISTENERS.of_thread(threading.current_thread()) if call is None else call.listener


@contextmanager
def listening(listener: ProgressListener) -> Iterator[None]:
    """Send progress of the current context to the listener, and that of the threads that can only belong to it."""
    call = _Call(listener, _CALL.get(), weakref.WeakSet(threading.enumerate()))
    token = _CALL.set(call)
    _LISTENERS.calls.append(call)
    try:
        yield
    finally:
        _LISTENERS.remove(call)
        _CALL.reset(token)


@contextmanager
def listening_in_all_threads(listener: ProgressListener) -> Iterator[None]:
    """Send all progress of the process to the listener, from whatever thread: new threads begin with an empty context.

    Only for a process that runs a single call.
    """
    before, _LISTENERS.of_process = _LISTENERS.of_process, listener
    try:
        yield
    finally:
        _LISTENERS.of_process = before


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
