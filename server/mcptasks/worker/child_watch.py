"""The agent's own children, and the orphans that it has adopted: the agent reaps them all."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

from mcptasks.worker.descendants import descendants

ORPHAN_SECONDS = 5.0


class ChildWatch:
    """Belongs to the running loop, which must be the main thread's."""

    def __init__(self) -> None:
        self._expected: dict[int, asyncio.Future[int]] = {}

    @classmethod
    @contextmanager
    def watching(cls) -> Iterator[Self]:
        """Reap what ends, for the length of the context, which ends before the loop does.

        A closed loop has no descriptor for signals any more: of a child that ended then, Python would say in the log
        that it cannot be told ("Bad file descriptor").
        """
        watch, loop = cls(), asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, watch.reap)
        try:
            yield watch
        finally:
            loop.remove_signal_handler(signal.SIGCHLD)

    def ended(self, pid: int) -> asyncio.Future[int]:
        """The `waitpid` status of a child that has not been reaped yet, once it has ended.

        To be asked for before anything else runs: what ends unexpected is reaped and forgotten.
        """
        future = self._expected.setdefault(pid, asyncio.get_running_loop().create_future())
        self.reap()
        return future

    @property
    def known(self) -> set[int]:
        """The children whose end is waited for."""
        return set(self._expected)

    def reap(self) -> None:
        """Reap what has ended. Nothing is kept of it: its pid may be another child's soon."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                future = self._expected.pop(ended[0], None)
                if future is not None and not future.done():
                    future.set_result(ended[1])

    async def kill_orphans(self, spared: set[int]) -> int:
        """SIGKILL the children of this process that nobody waits for, and all below them; gives how many are left.

        Args:
            spared: children that are not to be ended, besides those whose end is waited for.
        """
        deadline = time.monotonic() + ORPHAN_SECONDS
        while True:
            self.reap()
            spared_trees = {below for pid in spared | self.known for below in (pid, *descendants(pid))}
            left = set(descendants(os.getpid())) - spared_trees
            if not left or time.monotonic() > deadline:
                return len(left)
            for pid in left:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.005)
