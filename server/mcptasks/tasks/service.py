"""TaskService: what protocol/ asks of tasks. Each part of it is a module of its own; none knows a wire format."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from mcptasks.kube.task_objects import TaskClient, parse_log, parse_result, parse_task
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.lifecycle import Retention, utc_now
from mcptasks.model.task import DEFAULT_TEMPLATE, McpTask, Principal, ResultRecord
from mcptasks.settings import Settings
from mcptasks.stores.kept_logs import EARLIER_LINES
from mcptasks.stores.result_errors import ResultLostError, ResultStoreUnavailableError
from mcptasks.stores.result_stores import is_ref_of
from mcptasks.stores.results import Results
from mcptasks.stores.text_pieces import ByteRange, SplitCharacterError, TextPiece
from mcptasks.tasks.byte_budget import BUDGET_SECONDS, RETRY_SECONDS, ByteBudget
from mcptasks.tasks.calls import Call
from mcptasks.tasks.changes import TaskChanges
from mcptasks.tasks.creator import TaskCreator
from mcptasks.tasks.limits import InProgress, RateLimit, SharedRate
from mcptasks.tasks.owners import TaskOwner, caller_key
from mcptasks.tasks.reader import TaskReader
from mcptasks.tasks.replicas import NoReplicas, Replicas
from mcptasks.tasks.service_errors import (
    DrainingError,
    InvalidCallError,
    NoLogError,
    NoResultError,
    TaskEndedError,
    TaskNotFoundError,
    TooManyAnswersError,
    TooManyPollsError,
    TooManySubscriptionsError,
    TooManyWaitingCallsError,
    UnavailableServiceError,
)
from mcptasks.tasks.task_list import Page, TaskList
from mcptasks.tasks.views import TaskView, TaskViews
from mcptasks.tasks.waiting_calls import LOOKS, WaitingCalls
from mcptasks.tasks.worker_queue import NoWorkers, WorkerQueue, waiting_message
from mcptasks.tasks.writer import Answers, TaskWriter

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EndedResult:
    """A task that has ended with a result, and the record of that."""

    view: TaskView
    record: ResultRecord
    principal: Principal | None = None


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

    workers: WorkerQueue = field(default_factory=NoWorkers)
    """Who hands tasks to workers."""

    replicas: Replicas = field(default_factory=NoReplicas)
    """Who tells all replicas of calls that are cancelled at one of them."""

    cluster_time: Callable[[], datetime | None] = lambda: None
    """The API server's time, as far as it is known."""

    _subscriptions: InProgress = field(default_factory=InProgress)
    """Subscriptions of each caller that are open."""

    _waiting_calls: InProgress = field(default_factory=InProgress)
    """Tasks that the calls of each caller wait for, and subscriptions."""

    def __post_init__(self) -> None:
        settings, server = self.settings, self.settings.server_name
        self._polls = RateLimit(settings.max_polls_per_second)
        fresh_reads = settings.max_fresh_reads_per_second
        self._views = TaskViews(settings, self.now)
        self.answer_budget = ByteBudget(settings.max_answers_bytes)
        unknown_ids = SharedRate.of(settings.max_unknown_ids_per_second)
        self._unknown_calls = SharedRate.of(settings.max_unknown_ids_per_second)
        self.reader = TaskReader(
            server,
            self.namespace,
            self.tasks,
            self.cache,
            RateLimit(fresh_reads),
            self.now,
            RateLimit(fresh_reads / 2),
            unknown_ids,
        )
        self._creator = TaskCreator(
            settings,
            self.namespace,
            self.tasks,
            self.cache,
            lacks_workers=self._lacks_workers,
            now=self.now,
            cluster_time=self.cluster_time,
        )
        self._changes = TaskChanges(self.reader, self._views)
        self._waiting = WaitingCalls(server, self.cache)
        self._list = TaskList(server, self.cache, self._views)
        self._writer = TaskWriter(self.reader, self._views)

    @property
    def retention(self) -> Retention:
        """How long tasks can be read where their spec says nothing."""
        return self._views.retention

    async def create(self, call: Call) -> TaskView:
        """Store a new task; it is durable, and can be read from any replica, when this returns.

        Raises DrainingError, and what `TaskCreator.create` raises.
        """
        if self.draining.is_set():
            raise DrainingError
        return self._view(parse_task(await self._creator.create(call)))

    def is_warm(self, template: str | None) -> bool:
        """Whether workers, which are there before a call comes, run the tasks of the template (None: the default)."""
        return self.workers.is_warm(template or DEFAULT_TEMPLATE)

    def _lacks_workers(self, template: str) -> bool:
        """Whether workers run the template's tasks, and none that is connected here would get the next one."""
        return self.workers.is_warm(template) and not self.workers.has_room(template)

    def _view(self, task: McpTask) -> TaskView:
        """The task as its caller may see it; of one that waits for a worker, how many are ahead."""
        view = self._views.of(task)
        if task.terminal:
            return view
        ahead = self.workers.ahead_of(task.spec.template_ref.name, task.uid)
        return view if ahead is None else replace(view, message=waiting_message(ahead, task.status.message))

    async def get(self, task_id: str, principal: Principal | None) -> TaskView:
        """The task as it is now, as far as `TaskReader.recent` can tell.

        Raises TaskNotFoundError, UnavailableServiceError.
        """
        return self._view((await self.reader.recent(task_id, principal)).task)

    async def may_read(self, task_id: str, principal: Principal | None) -> bool:
        """Whether there is such a task for the principal, as `TaskReader.known` has it.

        Raises UnavailableServiceError.
        """
        try:
            await self.reader.known(task_id, principal)
        except TaskNotFoundError:
            return False
        return True

    async def poll(self, task_id: str, principal: Principal | None) -> TaskView:
        """`get` for a caller that asks again and again. Raises TooManyPollsError where that is too often."""
        view = await self.get(task_id, principal)
        if not self._polls.allows((caller_key(principal), task_id), time.monotonic()):
            raise TooManyPollsError(view.poll_interval_ms)
        return view

    def follow(
        self, task_id: str, principal: Principal | None, stop: asyncio.Event | None = None
    ) -> AsyncGenerator[TaskView]:
        """The task now and after each change that its caller can see, up to the state in which it ends.

        `stop` is what ends it before: `draining` unless given. Raises as `TaskChanges.follow` does.
        """
        return self._changes.follow(task_id, principal, stop or self.draining)

    async def result_text(self, view: TaskView) -> str:
        """The JSON text of the task's result.

        Raises:
            TaskNotFoundError: the task has none.
            UnavailableServiceError: the result store cannot be reached, or has lost it.
        """
        async with self._stored_result(view) as record:
            return await self.results.get(record)

    @asynccontextmanager
    async def _stored_result(self, view: TaskView) -> AsyncIterator[ResultRecord]:
        """The record of a result that is read meanwhile. Raises as `result_text` does."""
        record = view.result
        if record is not None and _is_left_out(record):
            record = parse_result(await self.reader.stored(view.task_id))
        if record is None:
            raise TaskNotFoundError
        try:
            if record.ref is not None and not is_ref_of(record.ref, self.namespace, view.uid):
                raise ResultLostError(f"what the task's status points to is not its own result: {record.ref}")
            yield record
        except (ResultLostError, ResultStoreUnavailableError) as error:
            logger.error("cannot read the result: %s", error, extra={"task": view.task_id})
            raise UnavailableServiceError("The task's result cannot be read at the moment. Try again.") from error

    async def ended_result(self, task_id: str, principal: Principal | None) -> EndedResult:
        """The result of the principal's task, for pieces of it to be read.

        Raises:
            TaskNotFoundError: there is no such task for the principal.
            NoResultError: it has none, or not yet.
            TooManyPollsError: it is asked for too often.
            UnavailableServiceError: the cluster cannot be reached.
        """
        view = await self.get(task_id, principal)
        if not self._polls.allows((caller_key(principal), task_id, "result"), time.monotonic()):
            raise TooManyPollsError(view.poll_interval_ms)
        if view.result is None:
            raise NoResultError(view.message, ended=view.phase.terminal)
        return EndedResult(view, view.result, principal)

    async def result_piece(self, ended: EndedResult, span: ByteRange) -> TextPiece:
        """A piece of a result, as `Results.get_piece` cuts it.

        Raises:
            InvalidCallError: it begins in the middle of a character.
            TooManyPollsError: the API server has to be asked for it, more often than it may be.

        Besides, it raises what `result_text` raises.
        """
        if _is_left_out(ended.record) and not self.reader.may_read_afresh(ended.principal):
            raise TooManyPollsError(ended.view.poll_interval_ms)
        async with self._stored_result(ended.view) as record:
            if record.sha256 != ended.record.sha256:
                # Another task under its idempotency key.
                raise TaskNotFoundError
            try:
                return await self.results.get_piece(record, span)
            except SplitCharacterError:
                raise InvalidCallError(
                    f"Invalid offset {span.offset}: a character of the result does not begin there; "
                    "take the nextOffset of the piece before"
                ) from None

    async def log_text(self, task_id: str, principal: Principal | None) -> str:
        """What is kept of what the principal's task has printed, its last attempt that has ended.

        Raises:
            TaskNotFoundError: there is no such task for the principal.
            NoLogError: nothing is kept.
            TooManyPollsError: it is asked for too often.
            TooManyAnswersError: as many large logs and results are being read as may be.
            UnavailableServiceError: the cluster cannot be reached.
        """
        own = (await self.reader.recent(task_id, principal)).task
        if not self._polls.allows((caller_key(principal), task_id, "log"), time.monotonic()):
            raise TooManyPollsError(round(self.settings.default_poll_interval_seconds * 1000))
        # The cache has no logs.
        item = await self.reader.stored(task_id)
        if item["metadata"]["uid"] != own.uid:
            raise TaskNotFoundError
        record = parse_log(item)
        if record is None:
            raise NoLogError(ended=own.terminal)
        size = record.stored.size_bytes if record.stored is not None else 0
        caller = caller_key(principal)
        if not await self.answer_budget.take(caller, size, BUDGET_SECONDS):
            raise TooManyAnswersError(RETRY_SECONDS)
        try:
            kept = await self.results.logs.read(record, self.namespace, own.uid)
        finally:
            self.answer_budget.give_back(caller, size)
        if kept.note is None:
            return kept.text
        logger.warning("of the log of a task %s", kept.note, extra={"task": task_id})
        return f"… {EARLIER_LINES} …\n{kept.text}"

    async def answer(self, task_id: str, principal: Principal | None, answers: Answers) -> None:
        """Store the caller's answers to what the task asks now.

        Raises TooManyPollsError where that is tried too often, and what `TaskWriter.answer` raises.
        """
        if not self._polls.allows((caller_key(principal), task_id, "answer"), time.monotonic()):
            raise TooManyPollsError(round(self.settings.default_poll_interval_seconds * 1000))
        await self._writer.answer(task_id, principal, answers)

    async def cancel(self, task_id: str, principal: Principal | None) -> TaskView:
        """Make the task cancelled. Raises as `TaskWriter.cancel` does."""
        return self._views.of(await self._writer.cancel(task_id, principal))

    async def cancel_call(self, call_id: str, principal: Principal | None, *, is_known: bool) -> None:
        """Cancel the call at the replica that has it, and the task that it has made and waits for, if there is one.

        Args:
            is_known: whether this replica has the call itself, so that no other has to be told, and a task of it would
                be in the cache already.

        Raises UnavailableServiceError.
        """
        if not is_known and self._unknown_calls.allows(caller_key(principal), time.monotonic()):
            self.replicas.tell(call_id)
        task_id = await self._waiting.task_of(call_id, looks=1 if is_known else LOOKS)
        if task_id is None:
            return
        with suppress(TaskEndedError, TaskNotFoundError):
            await self.cancel(task_id, principal)

    def list(self, principal: Principal | None, cursor: str | None = None) -> Page:
        """A page of the principal's tasks, newest first. Raises InvalidCallError for a cursor that is not ours."""
        return self._list.page(principal, cursor)

    @contextmanager
    def subscribed(self, principal: Principal | None) -> Iterator[None]:
        """A subscription of the caller's, for as long as it is open.

        Raises TooManySubscriptionsError, TooManyWaitingCallsError where it would be one too many.
        """
        limit, caller = self.settings.max_subscriptions_per_caller, caller_key(principal)
        if limit and self._subscriptions.count(caller) >= limit:
            raise TooManySubscriptionsError(limit)
        with self.waiting(principal), self._subscriptions.one_more(caller):
            yield

    def may_wait(self, principal: Principal | None) -> bool:
        """Whether one more call of the caller's may wait for a task."""
        return self._refused_wait(caller_key(principal), 1) is None

    @contextmanager
    def waiting(self, principal: Principal | None, tasks: int = 1) -> Iterator[None]:
        """Count a call of the caller's that waits for this number of tasks, for as long as it does.

        Raises TooManyWaitingCallsError where it would be one too many.
        """
        caller = caller_key(principal)
        refused = self._refused_wait(caller, tasks)
        if refused is not None:
            raise refused
        with self._waiting_calls.more(caller, tasks):
            yield

    def _refused_wait(self, caller: TaskOwner | None, tasks: int) -> TooManyWaitingCallsError | None:
        most_of_one, most = self.settings.max_waiting_calls_per_caller, self.settings.max_waiting_calls
        if most_of_one and self._waiting_calls.count(caller) + tasks > most_of_one:
            return TooManyWaitingCallsError(most_of_one, of_all=False)
        if most and self._waiting_calls.total + tasks > most:
            return TooManyWaitingCallsError(most, of_all=True)
        return None


def _is_left_out(record: ResultRecord) -> bool:
    """Whether the result is in the task's object, and too large for the cache."""
    return record.text is None and record.ref is None
