"""Creating tasks: durable before the reply, within the caller's limit, one for each idempotency key."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime

from mcptasks.kube.errors import AlreadyExistsError, ForbiddenError, InvalidError, NotFoundError, UnavailableError
from mcptasks.kube.task_objects import TaskClient
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import ANNOTATION_ANY_REPLICA, ANNOTATION_CALLED_AT, JsonObject
from mcptasks.model.lifecycle import timestamp, utc_now
from mcptasks.model.restored import is_restored_object
from mcptasks.settings import Settings
from mcptasks.tasks import idempotency
from mcptasks.tasks.cached_tasks import OwnerTotals, amounts_of, expiry_of, group_of, is_gone
from mcptasks.tasks.call_rates import CallRates
from mcptasks.tasks.calls import Call
from mcptasks.tasks.limits import InProgress, unasked_ttl_ms
from mcptasks.tasks.manifest import TaskManifest
from mcptasks.tasks.owners import caller_key
from mcptasks.tasks.service_errors import (
    ServiceError,
    TaskRefusedError,
    TooManyTasksError,
    TooMuchKeptError,
    UnavailableServiceError,
)

logger = logging.getLogger(__name__)

CREATE_ATTEMPTS = 5
CREATE_PAUSE_SECONDS = 0.3

NAME_FREE_SECONDS = 15.0
NAME_FREE_PAUSE_SECONDS = 0.25
"""How long a repeated call waits for the removal of the expired task before it, and how often it looks."""


@dataclass(frozen=True)
class TaskCreator:
    """Stores the tasks of one server."""

    settings: Settings
    namespace: str
    tasks: TaskClient
    cache: WatchCache
    lacks_workers: Callable[[str], bool] = lambda _template: False
    now: Callable[[], datetime] = utc_now
    cluster_time: Callable[[], datetime | None] = lambda: None
    """The API server's time, as far as it is known. An object that it makes minutes after the call counts as a copy."""

    _rates: CallRates = field(default_factory=CallRates)
    _creating: InProgress = field(default_factory=InProgress)
    _creating_bytes: InProgress = field(default_factory=InProgress)
    """Tasks of each owner that are being created, and their size."""

    def __post_init__(self) -> None:
        self.cache.listen(self._rates)

    async def create(self, call: Call) -> JsonObject:
        """Store a new task, or find the one that the call's idempotency key has made. Returns the stored object.

        Raises:
            InvalidCallError: ttl or arguments are out of bounds. Nothing was stored.
            TooManyTasksError: the caller has as many unfinished ones as it may have.
            TooMuchKeptError: it has as many as it may have, ended ones included, or as large ones.
            TaskRefusedError: the cluster does not allow it.
            UnavailableServiceError: the cluster cannot be reached.
        """
        owner = self.settings.server_name, caller_key(call.principal)
        body = TaskManifest(self.settings, self.namespace, self._unasked_ttl_ms(owner)).build(call)
        called_at = self._called_at()
        annotations = {ANNOTATION_CALLED_AT: called_at}
        if self.lacks_workers(body["spec"]["templateRef"]["name"]):
            annotations[ANNOTATION_ANY_REPLICA] = "true"
        body["metadata"]["annotations"] = annotations
        name = body["metadata"]["name"]
        try:
            stored = await self._store_within_limits(call, body)
        except UnavailableError as error:
            logger.error("cannot store the task: %s", error, extra={"task": name})
            raise UnavailableServiceError(
                "The task could not be stored: the cluster is unavailable. Try again."
            ) from error
        except (ForbiddenError, InvalidError) as error:
            logger.warning("the task was refused: %s", error, extra={"task": name})
            raise TaskRefusedError(f"The cluster does not allow this task: {error.message}") from error
        self.cache.add(stored)
        kept = stored["metadata"].get("annotations") or {}
        if kept.get(ANNOTATION_CALLED_AT) == called_at and is_restored_object(stored):
            logger.error(
                "the task does not run: this server's clock is minutes behind the API server's, whose answers do not "
                "tell their time",
                extra={"task": name},
            )
        logger.info("task created", extra={"task": name, "component": call.component.name})
        return stored

    def _called_at(self) -> str:
        """When the call came, by the clock that is ahead: this server's may be minutes behind."""
        now = self.now()
        return timestamp(max(now, self.cluster_time() or now))

    async def _store_within_limits(self, call: Call, body: JsonObject) -> JsonObject:
        """Create the object unless the caller has too many tasks; a repeated call makes no new one."""
        owner = group_of(body)
        refused = self._refused(owner)
        if refused is not None:
            repeated = await self._repeated(call, body)
            if repeated is None:
                raise refused
            return repeated
        with self._creating.one_more(owner), self._creating_bytes.more(owner, amounts_of(body).size_bytes):
            return await (self._store(body) if call.idempotency_key is None else self._store_keyed(body))

    def _unasked_ttl_ms(self, owner: Hashable) -> int:
        kept = OwnerTotals(*self.cache.totals(owner)).tasks + self._creating.count(owner)
        limit, rate = self.settings.max_kept_tasks_per_caller, self._rates.per_second(owner, self.now())
        return unasked_ttl_ms(self.settings.default_ttl_seconds * 1000, kept, limit, rate)

    def _refused(self, owner: Hashable) -> ServiceError | None:
        """Why the owner may have no further task; None where it may."""
        settings, known = self.settings, OwnerTotals(*self.cache.totals(owner))
        creating = self._creating.count(owner)
        if (limit := settings.max_tasks_per_caller) and known.unfinished + creating >= limit:
            return TooManyTasksError(limit)
        if (limit := settings.max_kept_tasks_per_caller) and known.tasks + creating >= limit:
            return TooMuchKeptError(f"You have {known.tasks} tasks here", limit, self._seconds_to_expiry(owner))
        size = known.size_bytes + self._creating_bytes.count(owner)
        if (limit := settings.max_kept_bytes_per_caller) and size >= limit:
            return TooMuchKeptError(
                f"Your tasks and their results have {size} bytes here", limit, self._seconds_to_expiry(owner)
            )
        return None

    def _seconds_to_expiry(self, owner: Hashable) -> float | None:
        """How long the first of the owner's ended tasks is still there; None where none has ended."""
        expiries = [expires for item in self.cache.values() if group_of(item) == owner if (expires := expiry_of(item))]
        return max(0.0, (min(expiries) - self.now()).total_seconds()) if expiries else None

    async def _repeated(self, call: Call, body: JsonObject) -> JsonObject | None:
        """The task that an earlier call with the same idempotency key made, if it is still there."""
        if call.idempotency_key is None:
            return None
        try:
            stored = await self.tasks.get(self.namespace, body["metadata"]["name"])
        except NotFoundError:
            return None
        if is_gone(stored, self.now()):
            return None
        idempotency.refuse_other(stored, body)
        return stored

    async def _store_keyed(self, body: JsonObject) -> JsonObject:
        """Create the object whose name is that of its idempotency key, or find the one of an earlier call.

        One that has expired is removed by the operator; a new one takes its place as soon as the name is free.
        """
        for _ in range(round(NAME_FREE_SECONDS / NAME_FREE_PAUSE_SECONDS)):
            try:
                stored = await self._store(body)
            except NotFoundError:
                # It was there when this one was to be created, and removed before it could be read.
                continue
            if not is_gone(stored, self.now()):
                idempotency.refuse_other(stored, body)
                return stored
            await asyncio.sleep(NAME_FREE_PAUSE_SECONDS)
        raise UnavailableServiceError(
            "The earlier task of this idempotency key has expired and is still being removed. Try again."
        )

    async def _store(self, body: JsonObject) -> JsonObject:
        """Create the object. One that exists already is an earlier try that did arrive, or has the same key."""
        name = body["metadata"]["name"]
        for attempt in range(1, CREATE_ATTEMPTS + 1):
            try:
                return await self.tasks.create(self.namespace, body)
            except AlreadyExistsError:
                return await self.tasks.get(self.namespace, name)
            except UnavailableError:
                if attempt == CREATE_ATTEMPTS:
                    raise
                await asyncio.sleep(CREATE_PAUSE_SECONDS * attempt)
        raise AssertionError("unreachable")
