"""The processes that a process has started, and those that they have started: finding and ending them. Linux."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from resource import struct_rusage

_PR_SET_CHILD_SUBREAPER = 36
_LEAST_PAUSE = 0.0005
_LONGEST_PAUSE = 0.02


def adopt_orphans() -> None:
    """Become the parent of all orphans below this process (PR_SET_CHILD_SUBREAPER, prctl(2)). Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"this system cannot adopt orphans: {os.strerror(number)}")


def descendants(pid: int) -> list[int]:
    """All processes below the given one, at a moment."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for each, parent in _parents():
        children[parent].append(each)
    found = list(children[pid])
    for each in found:
        found.extend(children[each])
    return found


def _parents() -> Iterator[tuple[int, int]]:
    """Each process and its parent."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            # Ends while it is looked at, or belongs to another user on a hardened system.
            with suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
                yield int(name), int(file.read().rpartition(b") ")[2].split()[1])


def kill_children(patience: float, reaped: Callable[[struct_rusage], None] = lambda _used: None) -> int:
    """SIGKILL everything below this process, which must be a subreaper, and reap it; gives how many are left.

    Args:
        patience: seconds to try for. What waits in the kernel, as for a dead file server, cannot be killed.
        reaped: is told what each process has used.
    """
    deadline = time.monotonic() + patience
    pause = _LEAST_PAUSE
    while not _reap_all(reaped):
        # They may start others meanwhile, which become children of this process when their parents are dead.
        left = descendants(os.getpid())
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return 0 if _reap_all(reaped) else max(1, len(left))
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    return 0


def _reap_all(reaped: Callable[[struct_rusage], None]) -> bool:
    """Reap the children that have ended; gives whether there is none left."""
    try:
        while (ended := os.wait4(-1, os.WNOHANG))[0]:
            reaped(ended[2])
    except ChildProcessError:
        return True
    return False
