"""Reading tasks: as this replica knows them, as recent as can be had soon, or as the API server has them now."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mcptasks.kube.errors import KubeError, NotFoundError
from mcptasks.kube.task_objects import StoredTask, TaskClient, parse_task
from mcptasks.kube.watch_cache import WatchCache, version_of
from mcptasks.model import names
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.task import Principal
from mcptasks.tasks.cached_tasks import has_ended, is_gone
from mcptasks.tasks.limits import RateLimit
from mcptasks.tasks.owners import caller_key
from mcptasks.tasks.service_errors import TaskNotFoundError, UnavailableServiceError

logger = logging.getLogger(__name__)

RECENT_SECONDS = 2.0
"""How long a call waits for the API server before it is answered with what the cache has, where that may be old."""


@dataclass(frozen=True)
class TaskReader:
    """Reads the tasks of one server for their callers: at most one read of the API server and one parse each time.

    `known`, `recent` and `current` differ in how old the answer may be. All of them raise TaskNotFoundError where there
    is no such task, where it is another principal's or another server's, and where it has expired or is being deleted.
    """

    server: str
    namespace: str
    tasks: TaskClient
    cache: WatchCache
    fresh_reads: RateLimit
    """Bounds the reads of the API server that `recent` makes."""

    now: Callable[[], datetime] = utc_now

    async def known(self, task_id: str, principal: Principal | None) -> StoredTask:
        """The task as this replica has last seen it.

        The API server is asked only for one that is not in the cache, which another replica may have just made.
        Raises UnavailableServiceError where that fails.
        """
        return self._shown_to(principal, await self._known(task_id))

    async def recent(self, task_id: str, principal: Principal | None) -> StoredTask:
        """The task; one that has not ended is read again from the API server, because a watch is a moment behind.

        A caller that has heard of a task's end from another replica must not hear from this one that it still works.
        Where `fresh_reads` allows no further read, and where the API server does not answer within `RECENT_SECONDS`,
        the task is the one of `known`.
        """
        return self._shown_to(principal, await self._recent(task_id))

    async def current(self, task_id: str, principal: Principal | None) -> StoredTask:
        """The task as the API server has it, or as this replica has seen it since. Raises UnavailableServiceError."""
        return self._shown_to(principal, await self._current(task_id))

    async def stored(self, task_id: str) -> JsonObject:
        """The whole object from the API server, large results included, whoever asks for it.

        Raises TaskNotFoundError, UnavailableServiceError.
        """
        if not names.is_task_name(task_id):
            raise TaskNotFoundError
        try:
            return await self.tasks.get(self.namespace, task_id)
        except NotFoundError:
            raise TaskNotFoundError from None
        except KubeError as error:
            logger.error("cannot read task: %s", error, extra={"task": task_id})
            raise UnavailableServiceError("The task cannot be read at the moment. Try again.") from error

    async def _known(self, task_id: str) -> JsonObject:
        seen = self._seen(task_id)
        return await self.stored(task_id) if seen is None else seen

    async def _recent(self, task_id: str) -> JsonObject:
        seen = self._seen(task_id)
        if seen is None:
            return await self.stored(task_id)
        if has_ended(seen) or not self.fresh_reads.allows(self.namespace, time.monotonic()):
            return seen
        try:
            async with asyncio.timeout(RECENT_SECONDS):
                return await self._current(task_id)
        except (UnavailableServiceError, TimeoutError):
            return seen

    def _seen(self, task_id: str) -> JsonObject | None:
        """The cached object, unless it is gone: another replica may have made a new one under its idempotency key."""
        seen = self.cache.get(self.namespace, task_id)
        return None if seen is None or is_gone(seen, self.now()) else seen

    async def _current(self, task_id: str) -> JsonObject:
        read = await self.stored(task_id)
        self.cache.add(read)
        seen = self.cache.get(self.namespace, task_id)
        # What was read is whole, what is cached may lack a large result.
        return read if seen is None or version_of(read) >= version_of(seen) else seen

    def _shown_to(self, principal: Principal | None, item: JsonObject) -> StoredTask:
        """The object's task. Raises TaskNotFoundError where the principal may not see it, or nobody any more."""
        task = parse_task(item)
        expires = task.status.expires_at
        if (
            task.spec.server != self.server
            or caller_key(task.spec.principal) != caller_key(principal)
            or (expires is not None and expires <= self.now())
            or task.metadata.deletion_timestamp is not None
        ):
            raise TaskNotFoundError
        return StoredTask(item, task)
