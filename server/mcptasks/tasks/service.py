"""TaskService: create, get, wait for, list and cancel tasks. Knows no wire format and no HTTP."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from mcptasks.kube.errors import (
    AlreadyExistsError,
    ForbiddenError,
    InvalidError,
    KubeError,
    NotFoundError,
    UnavailableError,
)
from mcptasks.kube.task_objects import StatusChange, TaskClient, parse_task
from mcptasks.kube.watch_cache import WatchCache, without_bookkeeping
from mcptasks.model import names
from mcptasks.model.lifecycle import Ending, Retention, created_at, end, reported_ttl_ms, utc_now
from mcptasks.model.questions import Answer, answered, outstanding
from mcptasks.model.task import (
    API_VERSION,
    DEFAULT_TEMPLATE,
    LABEL_COMPONENT,
    LABEL_PRINCIPAL,
    LABEL_SERVER,
    TERMINAL_PHASES,
    JsonObject,
    McpTask,
    McpTaskSpec,
    Phase,
    Principal,
    Reason,
    Request,
    TemplateRef,
)
from mcptasks.settings import Settings
from mcptasks.tasks import idempotency
from mcptasks.tasks.calls import (
    Call,
    DrainingError,
    InvalidCallError,
    Page,
    RefusedError,
    TaskEndedError,
    TaskNotFoundError,
    TaskView,
    TooManyPollsError,
    TooManySubscriptionsError,
    TooManyTasksError,
    UnavailableServiceError,
    principal_key,
)
from mcptasks.tasks.limits import RateLimit, UnderWay
from mcptasks.tasks.results import ResultLostError, Results, ResultStoreUnavailableError

logger = logging.getLogger(__name__)

Owner: TypeAlias = tuple[str, str, str]

DEFAULT_SERVER = str(McpTaskSpec.model_fields["server"].default)

PAGE_SIZE = 100
CACHED_RESULT_CHARACTERS = 4096
"""Longer results are read from the API server when somebody asks for them, so that thousands fit into memory."""

RECHECK_SECONDS = 15.0
"""How long a waiting call trusts the watch before it asks the API server itself."""

ECHO_SECONDS = 1.0
"""How long a cancel waits at most for its own write to come back by the watch."""

LATEST_SECONDS = 2.0
"""How long a call waits for the API server before it is answered with what the cache has, where that may be old."""

CREATE_ATTEMPTS = 5
CREATE_PAUSE_SECONDS = 0.3

NAME_FREE_SECONDS = 15.0
NAME_FREE_PAUSE_SECONDS = 0.25
"""How long a repeated call waits for the removal of the expired task before it, and how often it looks."""


class _Position(NamedTuple):
    """A task's place in a list: its creation, as the API server writes it, and its name."""

    created: str
    name: str

    @classmethod
    def of(cls, item: JsonObject) -> _Position:
        return cls(item["metadata"]["creationTimestamp"], item["metadata"]["name"])

    def encode(self) -> str:
        return base64.urlsafe_b64encode(json.dumps([self.created, self.name]).encode()).decode()

    @classmethod
    def decode(cls, cursor: str) -> _Position:
        try:
            created, name = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        except (ValueError, binascii.Error, TypeError) as error:
            raise InvalidCallError("Invalid cursor: use the nextCursor of an earlier answer unchanged") from error
        if not isinstance(created, str) or not isinstance(name, str):
            raise InvalidCallError("Invalid cursor: use the nextCursor of an earlier answer unchanged")
        return cls(created, name)


@dataclass(eq=False)
class TaskService:
    """Serves the tasks of one MCP server from a watch cache of one namespace.

    Stateless: whatever a call needs is in the cluster, so that any replica can answer it.
    """

    settings: Settings
    namespace: str
    tasks: TaskClient
    cache: WatchCache
    results: Results
    now: Callable[[], datetime] = utc_now
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when this replica begins to shut down: what other replicas can go on with ends here."""

    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when its time to do so is over: what only this replica can go on with ends as well."""

    _creating: UnderWay = field(default_factory=UnderWay)
    """Tasks of each owner that are being created."""

    _subscriptions: UnderWay = field(default_factory=UnderWay)
    """Subscriptions of each caller that are open."""

    def __post_init__(self) -> None:
        self._polls = RateLimit(self.settings.max_polls_per_second)
        self._fresh_reads = RateLimit(self.settings.max_fresh_reads_per_second)

    @property
    def retention(self) -> Retention:
        """How long tasks can be read where their spec says nothing."""
        return Retention(self.settings.default_ttl_seconds * 1000, self.settings.result_floor_seconds)

    async def create(self, call: Call) -> TaskView:
        """Store a new task; it is durable, and can be read from any replica, when this returns.

        Raises:
            InvalidCallError: ttl or arguments are out of bounds. Nothing was stored.
            RefusedError: the cluster does not allow it.
            UnavailableServiceError: the cluster cannot be reached.
        """
        if self.draining.is_set():
            raise DrainingError
        body = self._task_body(call)
        name = body["metadata"]["name"]
        try:
            stored = await self._store_within_limits(call, body)
        except UnavailableError as error:
            logger.error("cannot store task %s: %s", name, error)
            raise UnavailableServiceError(
                "The task could not be stored: the cluster is unavailable. Try again."
            ) from error
        except (ForbiddenError, InvalidError) as error:
            logger.warning("task %s was refused: %s", name, error)
            raise RefusedError(f"The cluster does not allow this task: {error.message}") from error
        self.cache.add(stored)
        logger.info("task created", extra={"task": name, "component": call.component.name})
        return self.view(parse_task(stored))

    async def _store_within_limits(self, call: Call, body: JsonObject) -> JsonObject:
        """Create the object unless the caller has too many tasks; a repeated call makes no new one."""
        limit, owner = self.settings.max_tasks_per_caller, _owner(body)
        if limit and self.cache.count((self.settings.server_name, owner)) + self._creating.count(owner) >= limit:
            repeated = await self._repeated(call, body)
            if repeated is None:
                raise TooManyTasksError(limit)
            return repeated
        with self._creating.one_more(owner):
            return await (self._store(body) if call.idempotency_key is None else self._store_keyed(body))

    async def _repeated(self, call: Call, body: JsonObject) -> JsonObject | None:
        """The task that an earlier call with the same idempotency key made, if it is still there."""
        if call.idempotency_key is None:
            return None
        try:
            stored = await self.tasks.get(self.namespace, body["metadata"]["name"])
        except NotFoundError:
            return None
        if self._passed(stored):
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
            if not self._passed(stored):
                idempotency.refuse_other(stored, body)
                return stored
            await asyncio.sleep(NAME_FREE_PAUSE_SECONDS)
        raise UnavailableServiceError(
            "The earlier task of this idempotency key has expired and is still being removed. Try again."
        )

    def _passed(self, item: JsonObject) -> bool:
        """Whether the task has expired or is being deleted: nobody sees it any more."""
        expires = (item.get("status") or {}).get("expiresAt")
        return item["metadata"].get("deletionTimestamp") is not None or (
            expires is not None and datetime.fromisoformat(expires) <= self.now()
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

    def _task_body(self, call: Call) -> JsonObject:
        config = call.config
        arguments_text = json.dumps(call.arguments, ensure_ascii=False, separators=(",", ":"))
        self._check_size("Arguments", arguments_text)
        if call.request is not None and call.request.input_responses is not None:
            rounds = {"answers": call.request.input_responses, "state": call.request.request_state}
            self._check_size("Answers", json.dumps(rounds, ensure_ascii=False))
        idempotent = config.idempotent if config.idempotent is not None else call.idempotent_hint
        spec = McpTaskSpec(
            server=self.settings.server_name,
            component=call.component,
            arguments=call.arguments,
            arguments_text=None if survives_api_server(call.arguments) else arguments_text,
            template_ref=TemplateRef(name=config.template or DEFAULT_TEMPLATE),
            ttl_ms=self._ttl_ms(call),
            timeout_seconds=config.timeout_seconds,
            input_timeout_seconds=self._input_timeout_seconds(call),
            retries=config.retries,
            idempotent=idempotent,
            poll_interval_ms=config.poll_interval_ms,
            principal=call.principal,
            request=call.request,
            trace_context=call.trace_context,
            idempotency_key=None if call.idempotency_key is None else idempotency.digest(call.idempotency_key),
        )
        labels = {
            LABEL_SERVER: names.label_value(self.settings.server_name),
            LABEL_COMPONENT: names.label_value(call.component.name),
        }
        key = call.idempotency_key
        if key is not None:
            idempotency.check_key(key, call.principal, self.settings.single_user)
        if call.principal is not None:
            labels[LABEL_PRINCIPAL] = names.label_value("\x00".join(principal_key(call.principal)))
        return {
            "apiVersion": API_VERSION,
            "kind": "McpTask",
            "metadata": {
                "name": self._task_name(call),
                "namespace": self.namespace,
                "labels": labels,
            },
            # The arguments are put in as they came: a JSON null in them is a value, not an absent field.
            "spec": spec.dump() | {"arguments": call.arguments},
        }

    def _check_size(self, what: str, text: str) -> None:
        size, limit = len(text.encode()), self.settings.max_arguments_bytes
        if size > limit:
            raise InvalidCallError(f"{what} are {size} bytes of JSON, the limit is {limit}: pass a reference instead")

    def _task_name(self, call: Call) -> str:
        name, key = call.component.name, call.idempotency_key
        if key is None:
            return names.task_name(name)
        return names.keyed_task_name(name, *idempotency.parts(self.settings.server_name, call, key))

    def _input_timeout_seconds(self, call: Call) -> int | None:
        """How long the task may wait for answers; None for one that has no way to ask, whose run time is exact then."""
        asked = call.config.input_timeout_seconds
        seconds = self.settings.default_input_timeout_seconds if asked is None else asked
        return (seconds or None) if call.can_ask else None

    def _ttl_ms(self, call: Call) -> int:
        """The ttl that is agreed on: what the caller asks, within the server's bounds."""
        asked = call.ttl_ms if call.ttl_ms is not None else call.config.ttl_ms
        if asked is None:
            asked = self.settings.default_ttl_seconds * 1000
        if asked < 0:
            raise InvalidCallError(f"Invalid ttl {asked}: use milliseconds from now, 0 or more")
        return min(asked, self.settings.max_ttl_seconds * 1000)

    async def get(self, task_id: str, principal: Principal | None, *, fresh: bool = False) -> TaskView:
        """The task as it is now; as the API server has it, for `fresh`, and not as this replica has last seen it.

        Raises TaskNotFoundError, UnavailableServiceError.
        """
        item = await (self._anew(task_id) if fresh else self._latest(task_id))
        return self.view(self._shown_to(principal, item))

    async def poll(self, task_id: str, principal: Principal | None) -> TaskView:
        """`get` for a caller that asks again and again. Raises TooManyPollsError where that is too often."""
        view = await self.get(task_id, principal)
        if not self._polls.allows((_caller(principal), task_id), time.monotonic()):
            raise TooManyPollsError(view.poll_interval_ms)
        return view

    @contextmanager
    def subscribed(self, principal: Principal | None) -> Iterator[None]:
        """A subscription of the caller's, for as long as it is open.

        Raises TooManySubscriptionsError where it would be one too many.
        """
        limit, caller = self.settings.max_subscriptions_per_caller, _caller(principal)
        if limit and self._subscriptions.count(caller) >= limit:
            raise TooManySubscriptionsError(limit)
        with self._subscriptions.one_more(caller):
            yield

    async def _refresh(self, task_id: str) -> None:
        if names.is_task_name(task_id):
            self.cache.add(await self._fresh_item(task_id))

    async def _anew(self, task_id: str) -> JsonObject:
        """The object as the API server has it, or as this replica has seen it since."""
        await self._refresh(task_id)
        return await self._item(task_id)

    def _shown_to(self, principal: Principal | None, item: JsonObject) -> McpTask:
        """The object's task. Raises TaskNotFoundError where the principal may not see it, or it has expired."""
        task = parse_task(item)
        expires = task.status.expires_at
        if (
            task.spec.server != self.settings.server_name
            or not _same_principal(task.spec.principal, principal)
            or (expires is not None and expires <= self.now())
            or task.metadata.deletion_timestamp is not None
        ):
            raise TaskNotFoundError
        return task

    async def _item(self, task_id: str) -> JsonObject:
        """The object from the cache, or, where another replica may have just made it, from the API server."""
        if not names.is_task_name(task_id):
            raise TaskNotFoundError
        known = self.cache.get(self.namespace, task_id)
        # One that has passed may have been replaced meanwhile, by another replica, under the same idempotency key.
        if known is None or self._passed(known):
            return await self._fresh_item(task_id)
        return known

    async def _latest(self, task_id: str) -> JsonObject:
        """The object; of a task that goes on, anew, as far as the API server answers soon: a watch is a moment behind.

        A caller that another replica has told of a task's end must not hear from this one that it still works. The
        API server is not asked more often than `max_fresh_reads_per_second`, however many poll.
        """
        known = self.cache.get(self.namespace, task_id)
        if known is None or self._passed(known) or _has_ended(known):
            return await self._item(task_id)
        if not self._fresh_reads.allows(self.namespace, time.monotonic()):
            return known
        try:
            async with asyncio.timeout(LATEST_SECONDS):
                await self._refresh(task_id)
        except (UnavailableServiceError, TimeoutError):
            return known
        return self.cache.get(self.namespace, task_id) or known

    async def _fresh_item(self, task_id: str) -> JsonObject:
        try:
            return await self.tasks.get(self.namespace, task_id)
        except NotFoundError:
            raise TaskNotFoundError from None
        except KubeError as error:
            logger.error("cannot read task: %s", error, extra={"task": task_id})
            raise UnavailableServiceError("The task cannot be read at the moment. Try again.") from error

    async def follow(
        self, task_id: str, principal: Principal | None, stop: asyncio.Event | None = None
    ) -> AsyncGenerator[TaskView]:
        """The task now and after each change that its caller can see, up to the state in which it ends.

        `stop` is what ends it before: `draining` unless given.

        Raises:
            TaskNotFoundError: there is no such task, or it was deleted meanwhile.
            DrainingError: this replica is shutting down.
        """
        stop = stop or self.draining
        shown: tuple[object, ...] | None = None
        async with self.cache.changes(self.namespace, task_id) as changed:
            look = self._latest
            while True:
                changed.clear()
                view = self.view(self._shown_to(principal, await look(task_id)))
                if (state := _visible(view)) != shown:
                    shown = state
                    yield view
                if view.phase.terminal:
                    return
                if stop.is_set():
                    raise DrainingError
                # What has changed, the watch has brought.
                look = self._item if await self._either(changed, stop) else self._anew

    async def _either(self, *events: asyncio.Event) -> bool:
        """Wait for one of them, for RECHECK_SECONDS at most; False if none came."""
        waiting = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            done, _ = await asyncio.wait(waiting, timeout=RECHECK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            return bool(done)
        finally:
            for future in waiting:
                future.cancel()

    async def ended(self, task_id: str, principal: Principal | None) -> TaskView:
        """The task once it has ended, however long that takes. Raises as `follow` does."""
        async for view in self.follow(task_id, principal):
            if view.phase.terminal:
                return view
        raise AssertionError("follow ends only with a terminal task")

    async def result_text(self, view: TaskView) -> str:
        """The JSON text of the task's result.

        Raises:
            TaskNotFoundError: the task has none.
            UnavailableServiceError: the result store cannot be reached, or has lost it.
        """
        record = view.result
        if record is not None and record.text is None and record.ref is None:
            # Too large for the cache.
            record = parse_task(await self._fresh_item(view.task_id)).status.result
        if record is None:
            raise TaskNotFoundError
        try:
            return await self.results.get(record)
        except (ResultLostError, ResultStoreUnavailableError) as error:
            logger.error("cannot read the result: %s", error, extra={"task": view.task_id})
            raise UnavailableServiceError("The task's result cannot be read at the moment. Try again.") from error

    async def answer(self, task_id: str, principal: Principal | None, given: Mapping[str, Answer]) -> None:
        """Put answers to the task's questions down. Those that answer nothing that is asked (still) are dropped.

        Raises TaskNotFoundError, UnavailableServiceError.
        """
        # What the cache has may be older than the questions that the caller has read from another replica.
        item = await self._anew(task_id)
        self._shown_to(principal, item)
        await self._change(item, lambda task: answered(task, given, self.now()), "The answer could not be stored")

    async def cancel(self, task_id: str, principal: Principal | None) -> TaskView:
        """Make the task cancelled; the operator then ends its process.

        Raises:
            TaskEndedError: it has ended already.
            TaskNotFoundError, UnavailableServiceError.
        """
        item = await self._item(task_id)
        known = self._shown_to(principal, item)
        if known.terminal:
            raise TaskEndedError(known.phase)
        ending = Ending(Phase.CANCELLED, Reason.CANCELLED_BY_CALLER, "Cancelled by the caller")

        def change(task: McpTask) -> JsonObject | None:
            return None if task.terminal else end(task, ending, self.now(), self.retention)

        written = await self._change(item, change, "The task could not be cancelled")
        task = parse_task(written)
        if task.phase is not Phase.CANCELLED:
            raise TaskEndedError(task.phase)
        logger.info("task cancelled by its caller", extra={"task": task_id})
        # The caller may ask another replica next, which must not say that the task still works.
        await self.cache.echoed(written, ECHO_SECONDS)
        return self.view(task)

    async def _change(self, item: JsonObject, change: StatusChange, failure: str) -> JsonObject:
        """The object after the change of its status; `failure` says to the caller what could not be done.

        Raises TaskNotFoundError, UnavailableServiceError.
        """
        try:
            written = await self.tasks.update_status(item, change)
        except NotFoundError:
            raise TaskNotFoundError from None
        except KubeError as error:
            logger.error("%s: %s", failure, error, extra={"task": item["metadata"]["name"]})
            raise UnavailableServiceError(f"{failure} at the moment. Try again.") from error
        self.cache.add(written)
        return written

    def list(self, principal: Principal | None, cursor: str | None = None) -> Page:
        """A page of the principal's tasks, newest first. Raises InvalidCallError for a cursor that is not ours."""
        after = None if cursor is None else _Position.decode(cursor)
        listed = self._listed(principal, after)
        page = list(islice(listed, PAGE_SIZE))
        more = next(listed, None) is not None
        return Page([self.view(task) for _, task in page], page[-1][0].encode() if more else None)

    def _listed(self, principal: Principal | None, after: _Position | None) -> Iterator[tuple[_Position, McpTask]]:
        """The principal's tasks after a position; those that nobody asks for are never parsed."""
        for position, item in self._newest_first(principal, after):
            try:
                task = parse_task(item)
            except InvalidError as error:
                logger.error("not listed: %s", error)
                continue
            expires = task.status.expires_at
            if (expires is None or expires > self.now()) and task.metadata.deletion_timestamp is None:
                yield position, task

    def _newest_first(
        self, principal: Principal | None, after: _Position | None
    ) -> Sequence[tuple[_Position, JsonObject]]:
        owner = _caller(principal)
        server = self.settings.server_name
        mine = (item for item in self.cache.values() if _server(item) == server and _owner(item) == owner)
        placed = ((_Position.of(item), item) for item in mine)
        found = [(position, item) for position, item in placed if after is None or position < after]
        return sorted(found, key=itemgetter(0), reverse=True)

    def view(self, task: McpTask) -> TaskView:
        """What the task's caller may see of it."""
        status = task.status
        created = created_at(task)
        poll_default = round(self.settings.default_poll_interval_seconds * 1000)
        return TaskView(
            task_id=task.name,
            phase=task.phase,
            component=task.spec.component,
            created_at=created,
            last_updated_at=status.last_updated_at or created,
            ttl_ms=reported_ttl_ms(task, self.now(), self.retention),
            poll_interval_ms=task.spec.poll_interval_ms or poll_default,
            reason=status.reason,
            message=_message(task),
            progress=status.progress.current if status.progress else None,
            progress_total=status.progress.total if status.progress else None,
            result=status.result,
            error=status.error,
            input_requests=outstanding(task),
            request=task.spec.request or Request(),
        )


def _same_principal(owner: Principal | None, caller: Principal | None) -> bool:
    if owner is None or caller is None:
        return owner is caller
    return principal_key(owner) == principal_key(caller)


def _caller(principal: Principal | None) -> Owner | None:
    """Who is one caller. Those without a token are one, too."""
    return None if principal is None else principal_key(principal)


def unfinished_owner(item: JsonObject) -> tuple[str, Owner | None] | None:
    """Whose task it is, and of which server, while it has not ended: what the limit for one caller counts."""
    return None if _has_ended(item) else (_server(item), _owner(item))


def _owner(item: JsonObject) -> Owner | None:
    """`principal_key` of the object's principal."""
    principal = item["spec"].get("principal")
    if principal is None:
        return None
    return principal.get("clientId") or "", principal.get("issuer") or "", principal.get("subject") or ""


def _server(item: JsonObject) -> str:
    return str(item["spec"].get("server", DEFAULT_SERVER))


def _has_ended(item: JsonObject) -> bool:
    return (item.get("status") or {}).get("phase") in TERMINAL_PHASES


def cached(item: JsonObject) -> JsonObject:
    """The part of a task's object that is kept in memory: no bookkeeping of appliers, no large result."""
    item = without_bookkeeping(item)
    status = item.get("status") or {}
    result = status.get("result") or {}
    if len(result.get("text") or "") <= CACHED_RESULT_CHARACTERS:
        return item
    kept = {key: value for key, value in result.items() if key != "text"}
    return {**item, "status": {**status, "result": kept}}


def _message(task: McpTask) -> str | None:
    progress = task.status.progress
    if task.phase is Phase.WORKING and progress is not None and progress.message:
        return progress.message
    return task.status.message


def _visible(view: TaskView) -> tuple[object, ...]:
    return view.phase, view.message, view.progress, view.progress_total, view.input_requests


_INT64 = range(-(2**63), 2**63)


def survives_api_server(value: object) -> bool:
    """Whether a JSON value comes back from the API server as it went in.

    It keeps free JSON as 64-bit integers and doubles: larger integers lose digits, and a float without a fraction
    becomes an integer (seen on Kubernetes 1.36).
    """
    match value:
        case bool() | str() | None:
            return True
        case int():
            return value in _INT64
        case float():
            return not value.is_integer()
        case dict():
            return all(survives_api_server(item) for item in value.values())
        case list():
            return all(survives_api_server(item) for item in value)
        case _:
            return False
