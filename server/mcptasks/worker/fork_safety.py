"""Whether a process that has loaded the user's module may be forked, and if not, what in it is the reason. Linux.

A copy of a process has one of its threads only. What another one was doing is never finished there: a lock that it held
stays locked. A copy of a process that has initialised CUDA cannot use it.
"""

from __future__ import annotations

import importlib.abc
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec
from types import ModuleType

_THREADS = "/proc/self/task"
_MAPS = "/proc/self/maps"
CUDA_LIBRARY = "libcuda.so"
ENDING_SECONDS = 2.0


def thread_count() -> int:
    """Threads of this process, native ones too."""
    return len(os.listdir(_THREADS))


def mapped_files() -> set[str]:
    """The files that are mapped into this process's memory: libraries, above all."""
    with open(_MAPS, encoding="utf-8", errors="replace") as file:
        return {parts[5].strip() for line in file if len(parts := line.split(maxsplit=5)) == 6 and "/" in parts[5]}


class ThreadWitness(importlib.abc.MetaPathFinder):
    """Sees at each import whether there are more threads than before. `started` has the modules that were at work then.

    It is asked for a module before the others are, and finds none.
    """

    def __init__(self) -> None:
        self.started: dict[str, int] = {}
        self._last = ""
        self._count = thread_count()

    @classmethod
    @contextmanager
    def watching(cls) -> Iterator[ThreadWitness]:
        """See what is imported in the context."""
        witness = cls()
        sys.meta_path.insert(0, witness)
        try:
            yield witness
        finally:
            sys.meta_path.remove(witness)
            witness.look("")

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        self.look(fullname)
        return None

    def look(self, module: str) -> None:
        """Blame the module that was imported last for what is new; the given one is imported next."""
        count = thread_count()
        if count > self._count and self._last:
            self.started[self._last] = self.started.get(self._last, 0) + count - self._count
        self._count, self._last = count, module


def unsafe_because(witness: ThreadWitness) -> str | None:
    """Why this process may not be forked; None where it may."""
    threads = _lasting_threads(witness)
    if threads:
        return f"{_started_by(witness)} started {threads} thread{'s' if threads > 1 else ''} ({_names()})"
    with suppress(OSError):
        if any(CUDA_LIBRARY in os.path.basename(file) for file in mapped_files()):
            return f"CUDA is loaded ({CUDA_LIBRARY}), which does not work in a copy of a process"
    return None


def _lasting_threads(witness: ThreadWitness) -> int:
    """How many threads there are besides this one. One that Python has joined may take a moment more to end."""
    deadline = time.monotonic() + ENDING_SECONDS
    while (count := thread_count() - 1) and not witness.started and threading.active_count() == 1:
        if time.monotonic() > deadline:
            break
        time.sleep(0.001)
    return count


def _started_by(witness: ThreadWitness) -> str:
    return f"importing {', '.join(witness.started)}" if witness.started else "loading the module"


def _names() -> str:
    """Names of the threads besides the main one: Python's own where it knows them, otherwise the system's."""
    known = {thread.native_id: thread.name for thread in threading.enumerate()}
    main = os.getpid()
    numbers = sorted(number for number in map(int, os.listdir(_THREADS)) if number != main)
    return ", ".join(repr(known[n]) if n in known else f"a native one, {_system_name(n)!r}" for n in numbers)


def _system_name(number: int) -> str:
    with suppress(OSError), open(f"{_THREADS}/{number}/comm", encoding="utf-8", errors="replace") as file:
        return file.read().strip()
    return "ended"
