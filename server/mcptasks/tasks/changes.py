"""Waiting for tasks: each change that a caller can see, up to the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from dataclasses import dataclass

from mcptasks.kube.task_objects import StoredTask
from mcptasks.model.task import Principal
from mcptasks.tasks.reader import TaskReader
from mcptasks.tasks.service_errors import DrainingError, TaskNotFoundError, TooManyUnknownIdsError
from mcptasks.tasks.views import TaskView, TaskViews

RECHECK_SECONDS = 15.0
"""How long a waiting call trusts the watch before it asks the API server itself."""


@dataclass(frozen=True)
class TaskChanges:
    """Follows tasks by the watch of the reader's cache."""

    reader: TaskReader
    views: TaskViews

    async def follow(self, task_id: str, principal: Principal | None, stop: asyncio.Event) -> AsyncGenerator[TaskView]:
        """The task now and after each change that its caller can see, up to the state in which it ends.

        Raises:
            TaskNotFoundError: there is no such task, or it was deleted meanwhile.
            DrainingError: `stop` was set before the task had ended.
        """
        shown: tuple[object, ...] | None = None
        async with self.reader.cache.changes(self.reader.namespace, task_id) as changed:
            read = self.reader.recent
            while True:
                changed.clear()
                view = self.views.of((await _read_again(read(task_id, principal), shown is not None)).task)
                if view.visible_state != shown:
                    shown = view.visible_state
                    yield view
                if view.phase.terminal:
                    return
                if stop.is_set():
                    raise DrainingError
                # What has changed, the watch has brought.
                read = self.reader.known if await _any_set(changed, stop) else self.reader.current


async def _read_again(reading: Awaitable[StoredTask], was_there: bool) -> StoredTask:
    """A task that was there and is nothing that the caller is known to have any more has been deleted."""
    try:
        return await reading
    except TooManyUnknownIdsError:
        if was_there:
            raise TaskNotFoundError from None
        raise


async def _any_set(*events: asyncio.Event) -> bool:
    """Wait for one of them, for RECHECK_SECONDS at most; False if none came."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waiting, timeout=RECHECK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for future in waiting:
            future.cancel()
