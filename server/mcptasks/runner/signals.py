"""SIGTERM and SIGINT as the end of whatever the main thread is doing.

Python runs signal handlers in the main thread, between two of its byte codes, also while it waits for a lock, sleeps
or reads. So a synchronous tool ends by an exception that its `finally` blocks see, and an asynchronous one by the
cancellation of its task. What ignores both is killed by the kubelet when the grace period is over.
"""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Reaction = Callable[[], None]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class TerminationRequested(BaseException):
    """The process has been asked to end."""


def terminate() -> None:
    """End what the main thread is doing by an exception."""
    raise TerminationRequested


def carry_on() -> None:
    """Let the main thread finish what it is doing."""


class Termination:
    """Whether the process has been asked to end, by whom, and how the main thread reacts to it at the moment.

    Only the first request counts, so that the clean-up that it starts is not cut short by a second one. `event` is set
    with it, for threads that the exception does not reach.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self.task_is_over = False
        self.event = threading.Event()
        self._reaction: Reaction = terminate
        self._last_resort: Reaction = carry_on

    @classmethod
    @contextmanager
    def installed(cls) -> Iterator[Termination]:
        """Handle the signals for the length of the context. Only in the main thread."""
        termination = cls()
        before = {number: signal.signal(number, termination._handle) for number in _SIGNALS}
        try:
            yield termination
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @property
    def requested(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """As shells have it for the signal; 0 where it was the gateway that said that the task is over."""
        return 0 if self.task_is_over or self.signal is None else 128 + self.signal

    @contextmanager
    def reacting(self, reaction: Reaction) -> Iterator[None]:
        """React like this for the length of the context. The reaction runs in the main thread, at any moment."""
        before, self._reaction = self._reaction, reaction
        try:
            yield
        finally:
            self._reaction = before

    def end_task(self) -> None:
        """From any thread: the task is over, so end the work as SIGTERM does."""
        self.task_is_over = True
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    def insist(self, last_resort: Reaction) -> None:
        """From any thread: have the main thread react once more, in this way, to what it has been asked already."""
        self._last_resort = last_resort
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal = signal.Signals(number)
            # Setting it takes a lock that the interrupted code may hold, so another thread does.
            _thread.start_new_thread(self.event.set, ())
            self._reaction()
            return
        last_resort, self._last_resort = self._last_resort, carry_on
        last_resort()
