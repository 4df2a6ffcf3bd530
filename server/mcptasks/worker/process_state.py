"""What importing the user's module has left in a process that concerns the process and not the module."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Handler = Callable[..., Any] | int | None

_PR_SET_DUMPABLE = 4
_CATCHABLE = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


@dataclass(frozen=True)
class SignalHandlers:
    """What a process does on which signal."""

    handlers: dict[int, Handler]

    @classmethod
    def now(cls) -> SignalHandlers:
        """As it is at the moment."""
        return cls({number: signal.getsignal(number) for number in _CATCHABLE})

    def since(self, before: SignalHandlers) -> SignalHandlers:
        """Those that are not as before."""
        return SignalHandlers({n: handler for n, handler in self.handlers.items() if handler != before.handlers[n]})

    def install(self) -> None:
        """Have it so from now on. Only in the main thread."""
        for number, handler in self.handlers.items():
            # None: set by something that is not Python, which cannot be set from here.
            if handler is not None:
                with suppress(OSError, ValueError):
                    signal.signal(number, handler)


@dataclass(frozen=True)
class ProcessAttributes:
    """What else an import may change of a process that its copies inherit."""

    blocked: frozenset[int]
    umask: int

    @classmethod
    def now(cls) -> ProcessAttributes:
        """As they are at the moment."""
        umask = os.umask(0o077)
        os.umask(umask)
        return cls(frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, ())), umask)

    def install(self) -> None:
        """Have them so from now on, in this thread and what it starts."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self.blocked)
        os.umask(self.umask)


def allow_inspection(allowed: bool) -> None:
    """Whether other processes of this user may read this one's memory, descriptors and environment, or trace it.

    Not where the system has no such thing (PR_SET_DUMPABLE, prctl(2)). Copies inherit it; a program that is started
    allows it again.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, int(allowed), 0, 0, 0)


def quieten(before: SignalHandlers) -> SignalHandlers:
    """Take signal handlers and alarms of the module's off this process; gives the handlers, for its tasks."""
    own = SignalHandlers.now().since(before)
    SignalHandlers({number: before.handlers[number] for number in own.handlers}).install()
    for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
        signal.setitimer(timer, 0)
    signal.set_wakeup_fd(-1)
    return own


def renew_random_state() -> None:
    """New random numbers in this copy of a process. Python's own generator does so by itself, numpy's does not."""
    random.seed()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        with suppress(Exception):
            numpy.random.seed()


def use_temporary_directory(directory: Path) -> None:
    """Have this process, and what it starts, put temporary files there."""
    os.environ["TMPDIR"] = str(directory)
    tempfile.tempdir = None


def flush_output() -> None:
    """Write what is still in Python's buffers: a copy of the process would write it once more."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
