"""Where the agent has the processes from that run tasks."""

from __future__ import annotations

import asyncio
from typing import Protocol

from mcptasks.worker.task_handle import TaskHandle


class ModuleFailedError(Exception):
    """The user's module cannot be loaded; the message says why."""


class SourceLostError(Exception):
    """No more processes can be made; the message says why."""


class CannotForkError(Exception):
    """The module is loaded, in a process that must not be copied; the message says why. `digest` is the module's."""

    def __init__(self, why: str, digest: str) -> None:
        super().__init__(why)
        self.digest = digest


class ProcessSource(Protocol):
    """Makes processes that have the module loaded."""

    @property
    def lost(self) -> asyncio.Future[str]:
        """Done, with the reason, once no more processes can be made."""
        ...

    async def make(self) -> TaskHandle:
        """A process that waits for its task. Raises SourceLostError, ModuleFailedError."""
        ...

    async def forget(self, handle: TaskHandle) -> None:
        """See the reaper of a process that has ended to its own end."""
        ...

    @property
    def idle_reapers(self) -> set[int]:
        """Pids of reapers that wait for a process."""
        ...

    async def aclose(self) -> None:
        """End what has been made for no task."""
        ...
