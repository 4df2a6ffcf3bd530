"""Processes that are interpreters of their own, for modules that do not let their process be copied.

One is kept ahead: it has loaded the module when a task comes, and another one is started in its place.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping

from mcptasks.worker.child_watch import ChildWatch
from mcptasks.worker.process_source import ModuleFailedError
from mcptasks.worker.task_handle import ReaperLink, TaskHandle

logger = logging.getLogger(__name__)

REAPER_MODULE = "mcptasks.worker.spare"


class SpareSource:
    """Keeps an interpreter ahead. `environ` is theirs."""

    def __init__(self, children: ChildWatch, environ: Mapping[str, str]) -> None:
        self._children = children
        self._environ = environ
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._next = asyncio.create_task(self._start())

    @classmethod
    async def started(cls, children: ChildWatch, environ: Mapping[str, str]) -> SpareSource:
        """Once the first interpreter has loaded the module. Raises ModuleFailedError."""
        source = cls(children, environ)
        await asyncio.shield(source._next)
        return source

    async def make(self) -> TaskHandle:
        """The interpreter that is ahead, as soon as it has loaded the module. Raises ModuleFailedError."""
        taken, self._next = self._next, asyncio.create_task(self._start())
        try:
            handle = await taken
        except ModuleFailedError as error:
            # That was for want of something at an earlier time, as of memory, and says nothing of this task.
            logger.warning("an interpreter that was to be kept ahead has failed: %s", error)
            return await self._start()
        if handle.ended.done():
            # Ended while it waited: nothing has run in it.
            await handle.released()
            return await self._start()
        return handle

    async def forget(self, handle: TaskHandle) -> None:
        """See the reaper of a process that has ended to its own end."""
        await handle.released()

    @property
    def idle_reapers(self) -> set[int]:
        """Pids of reapers that wait for a process: those are waited for, and so no orphans."""
        return set()

    async def aclose(self) -> None:
        """End the interpreter that is ahead."""
        self._next.cancel()
        await asyncio.wait([self._next])
        if not self._next.cancelled() and self._next.exception() is None:
            await _ended(self._next.result())

    def _spawn(self, control: socket.socket) -> int:
        control.set_inheritable(True)
        arguments = [sys.executable, "-m", REAPER_MODULE, str(control.fileno())]
        return os.posix_spawn(sys.executable, arguments, self._environ)

    async def _start(self) -> TaskHandle:
        own, given = socket.socketpair()
        with given:
            self._children.ended(self._spawn(given))
        try:
            handle = await TaskHandle.started(await ReaperLink.opened(own))
        except OSError as error:
            raise ModuleFailedError(f"the process above one that was to load the module has ended: {error}") from error
        try:
            if await handle.first_request():
                return handle
        except asyncio.CancelledError:
            await _ended(handle)
            raise
        ended = await handle.ended
        last = next((line for line in reversed(ended.tail.splitlines()) if line.strip()), "it printed nothing")
        raise ModuleFailedError(f"a process could not load the module (exit code {ended.exit_code}): {last}")


async def _ended(handle: TaskHandle) -> None:
    handle.signal(signal.SIGKILL)
    await handle.ended
    await handle.released()
