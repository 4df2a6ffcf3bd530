"""`progress(...)`: how a tool says how far it is, from synchronous and asynchronous code alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

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


@contextmanager
def listening(listener: ProgressListener) -> Iterator[None]:
    """Send progress of the current context to the listener."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)
