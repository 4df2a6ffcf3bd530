"""Reading tasks: as this replica knows them, as recent as can be had soon, or as the API server has them now."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from mcptasks.kube.errors import InvalidError, KubeError, NotFoundError
from mcptasks.kube.task_objects import StoredTask, TaskClient, parse_task
from mcptasks.kube.watch_cache import WatchCache, version_of
from mcptasks.model import names
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.task import Principal
from mcptasks.tasks.cached_tasks import group_of, has_ended, is_gone
from mcptasks.tasks.limits import RateLimit, SharedRate
from mcptasks.tasks.owners import caller_key
from mcptasks.tasks.service_errors import TaskNotFoundError, TooManyUnknownIdsError, UnavailableServiceError

logger = logging.getLogger(__name__)

RECENT_SECONDS = 2.0
"""How long a call waits for the API server before it is answered with what the cache has, where that may be old."""

NEWS_SECONDS = 1.0
"""How long an id that is not looked up waits for the watch to tell of its task."""


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
    """Bounds the reads of the API server that `recent` makes, and those for pieces of results."""

    now: Callable[[], datetime] = utc_now
    fresh_reads_of_one: RateLimit = field(default_factory=partial(RateLimit, 0))
    """Bounds those for each caller with a token, so that one leaves some to others."""

    unknown_ids: SharedRate = field(default_factory=partial(SharedRate.of, 0))
    """Bounds the reads of the API server for ids that are none of their caller's tasks, as far as the cache knows."""

    async def known(self, task_id: str, principal: Principal | None) -> StoredTask:
        """The task as this replica has last seen it.

        The API server is asked only for one that is not in the cache, which another replica may have just made.
        Raises UnavailableServiceError where that fails.
        """
        return self._shown_to(principal, self._own(task_id, principal) or await self._sought(task_id, principal))

    async def recent(self, task_id: str, principal: Principal | None) -> StoredTask:
        """The task; one that has not ended is read again from the API server, because a watch is a moment behind.

        A caller that has heard of a task's end from another replica must not hear from this one that it still works.
        Where `fresh_reads` allows no further read, and where the API server does not answer within `RECENT_SECONDS`,
        the task is the one of `known`.
        """
        own = self._own(task_id, principal)
        item = await self._sought(task_id, principal) if own is None else await self._refreshed(own, principal)
        return self._shown_to(principal, item)

    async def current(self, task_id: str, principal: Principal | None) -> StoredTask:
        """The task as the API server has it, or as this replica has seen it since. Raises UnavailableServiceError."""
        is_own = self._own(task_id, principal) is not None
        return self._shown_to(principal, await (self._current(task_id) if is_own else self._sought(task_id, principal)))

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

    def may_read_afresh(self, principal: Principal | None) -> bool:
        """Whether `fresh_reads` allows the caller one more read of the API server; it counts if it does."""
        now, caller = time.monotonic(), caller_key(principal)
        if caller is not None and not self.fresh_reads_of_one.allows(caller, now):
            return False
        return self.fresh_reads.allows(self.namespace, now)

    def _own(self, task_id: str, principal: Principal | None) -> JsonObject | None:
        """The cached object, if it is the principal's."""
        seen = self._seen(task_id)
        is_own = seen is not None and group_of(seen) == (self.server, caller_key(principal))
        return seen if is_own else None

    async def _sought(self, task_id: str, principal: Principal | None) -> JsonObject:
        """The object of an id that is none of the principal's tasks as far as the cache knows.

        Beyond the limit only the watch is listened to, for a moment: another replica may have just made the task.
        Unknown and foreign ids count alike, so that they cannot be told apart.

        Raises TaskNotFoundError, TooManyUnknownIdsError, UnavailableServiceError.
        """
        if not names.is_task_name(task_id):
            raise TaskNotFoundError
        if self.unknown_ids.allows(caller_key(principal), time.monotonic()):
            return self._seen(task_id) or await self.stored(task_id)
        with suppress(TimeoutError):
            async with asyncio.timeout(NEWS_SECONDS), self.cache.changes(self.namespace, task_id) as changed:
                await changed.wait()
        own = self._own(task_id, principal)
        if own is None:
            raise TooManyUnknownIdsError(self.unknown_ids.of_each.per_second)
        return own

    async def _refreshed(self, seen: JsonObject, principal: Principal | None) -> JsonObject:
        if has_ended(seen) or not self.may_read_afresh(principal):
            return seen
        try:
            async with asyncio.timeout(RECENT_SECONDS):
                return await self._current(seen["metadata"]["name"])
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
        try:
            task = parse_task(item)
        except InvalidError as error:
            # Whose it is cannot be told.
            logger.error("%s", error, extra={"task": item["metadata"]["name"]})
            raise TaskNotFoundError from error
        expires = task.status.expires_at
        if (
            task.spec.server != self.server
            or caller_key(task.spec.principal) != caller_key(principal)
            or (expires is not None and expires <= self.now())
            or task.metadata.deletion_timestamp is not None
        ):
            raise TaskNotFoundError
        return StoredTask(item, task)
