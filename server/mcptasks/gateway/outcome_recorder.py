"""Makes a task end as its runner says: stores the result, then writes the status."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mcptasks.gateway.attempt_usage import usage_field
from mcptasks.gateway.claims import refuse_foreign_and_ended, refuse_unless_runs
from mcptasks.gateway.contract import Outcome, ProgressReport, RefusalCode, ResultOutcome, WorkerOutcome
from mcptasks.gateway.outcomes import (
    error_ending,
    has_ended_as,
    is_claimed_by,
    is_replay,
    may_be_replay,
    refuse_invalid,
    result_ending,
    too_large_ending,
)
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.progress_record import progress_of
from mcptasks.gateway.refusals import RefusedError, unavailable
from mcptasks.gateway.task_records import TaskRecords
from mcptasks.gateway.worker_ends import ended_with_worker
from mcptasks.kube.errors import InvalidError
from mcptasks.kube.task_objects import StoredTask, parse_task
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import Ending, Retention, end, expiry, log_expiry
from mcptasks.model.task import LogRecord, McpTask, ResultRecord
from mcptasks.settings import KIB
from mcptasks.stores.result_errors import ResultStoreUnavailableError, ResultTooLargeError
from mcptasks.stores.result_stores import Payload
from mcptasks.stores.results import Results, stored_size

logger = logging.getLogger(__name__)

LARGE_RESULT_BYTES = 64 * KIB
"""From this size on a result may not fit beside what is in the object, whose size is looked at then."""


@dataclass(frozen=True)
class EndedAttempt:
    """An attempt's outcome, what its task makes of that, and what it has printed."""

    outcome: Outcome
    ending: Ending
    log: LogRecord | None


@dataclass(frozen=True)
class OutcomeRecorder:
    """Writes outcomes down. `last_report` gives, and gives up, the progress of a Pod that has not been written yet."""

    records: TaskRecords
    results: Results
    retention: Retention
    clock: Callable[[], datetime]
    last_report: Callable[[TaskPod], ProgressReport | None]

    async def deliverable(self, pod: TaskPod) -> StoredTask:
        """The Pod's task, which an outcome of the Pod can end, or has ended already.

        Raises RefusedError where none can, whatever it says; KubeError.
        """
        item = await self.records.read(pod)
        read = StoredTask(item, parse_task(item))
        if pod.is_workers and is_claimed_by(read.task, pod):
            # Also of a task that has ended otherwise a worker says when its processes are gone.
            return read
        if not may_be_replay(read.task, pod):
            refuse_unless_runs(read.task, pod)
        return read

    async def kept_log(self, pod: TaskPod, outcome: WorkerOutcome, task: McpTask) -> LogRecord | None:
        """What a worker's attempt has printed, once what is too long for the task's status is stored."""
        printed = getattr(outcome, "log_tail", None)
        if not printed or not pod.is_workers:
            return None
        now, number = self.clock(), task.status.attempts or 1
        expires_in = log_expiry(task, now, self.retention) - now
        return await self.results.logs.keep(task.namespace, task.uid, number, printed, expires_in)

    async def forget_log(self, known: McpTask, log: LogRecord | None) -> None:
        """Remove what is stored of an earlier attempt's log, of which another one has taken the place."""
        before = known.status.log
        if log is not None and before is not None and before.attempt != log.attempt:
            await self.results.logs.delete(before, known.namespace, known.uid)

    async def discard_log(self, task: McpTask, log: LogRecord | None) -> None:
        """Remove what is stored of a log that no task tells of."""
        await self.results.logs.delete(log, task.namespace, task.uid)

    async def record(self, pod: TaskPod, outcome: Outcome, read: StoredTask, log: LogRecord | None = None) -> None:
        """Record how the Pod's task ended, which was `read` before. Recording it again is harmless.

        `log`: what it has printed.

        Raises RefusedError, KubeError.
        """
        refuse_invalid(outcome)
        if await _is_replay(read.task, pod, outcome):
            return
        refuse_unless_runs(read.task, pod)
        now = self.clock()
        ending = await self._ending(read, pod, outcome, now)
        await self._end(read, pod, EndedAttempt(outcome, ending, log), now)

    async def _ending(self, read: StoredTask, pod: TaskPod, outcome: Outcome, now: datetime) -> Ending:
        if not isinstance(outcome, ResultOutcome):
            return error_ending(outcome)
        task = read.task
        object_bytes = await self._object_bytes(pod, read) if len(outcome.text) > LARGE_RESULT_BYTES else 0
        try:
            record = await self.results.put(
                task.namespace,
                task.uid,
                task.status.attempts or 1,
                outcome.text,
                expiry(task, now, self.retention) - now,
                object_bytes=object_bytes,
            )
        except ResultTooLargeError as error:
            return too_large_ending(error)
        except ResultStoreUnavailableError as error:
            logger.warning("the result waits: %s", error, extra={"task": task.name})
            raise unavailable("the result store cannot be reached (Redis)") from error
        return result_ending(outcome, record)

    async def _object_bytes(self, pod: TaskPod, read: StoredTask) -> int:
        """How large the task's object is; of a worker's the watch cache may have given only a part."""
        return stored_size(await self.records.read(pod) if pod.is_workers else read.item)

    async def _end(self, read: StoredTask, pod: TaskPod, attempt: EndedAttempt, now: datetime) -> None:
        """Make the task terminal, against whatever else may want to.

        What was stored for it goes if the task has another end for certain, but not if nobody knows.
        """
        last_report, ending = self.last_report(pod), attempt.ending

        def change(task: McpTask) -> JsonObject | None:
            if task.terminal:
                return None
            refuse_unless_runs(task, pod)
            last = task.status.progress if last_report is None else progress_of(last_report)
            patch = end(task, ending, now, self.retention, last)
            if pod.is_workers:
                return ended_with_worker(task, patch, attempt.outcome, now, attempt.log)
            return {"status": patch["status"] | usage_field(task, attempt.outcome)}

        try:
            final = parse_task(await self.records.write(read.item, change, parsed=read.task))
            if not has_ended_as(final, pod, ending):
                refuse_foreign_and_ended(final, pod)
        except InvalidError as error:
            await self._discard(ending.result)
            raise RefusedError(RefusalCode.INVALID, "the outcome does not fit the task's status") from error
        except RefusedError:
            await self._discard(ending.result)
            raise
        logger.info("ended: %s (%s)", final.phase, final.status.reason, extra={"task": final.name})

    async def _discard(self, record: ResultRecord | None) -> None:
        """Remove a payload that no task points to. Where that fails it goes when it expires."""
        if record is None:
            return
        try:
            await self.results.delete(record)
        except ResultStoreUnavailableError as error:
            logger.warning("a payload that is not needed stays until it expires: %s", error)


async def _is_replay(task: McpTask, pod: TaskPod, outcome: Outcome) -> bool:
    if not task.terminal:
        return False
    sha256 = (await Payload.of(outcome.text)).sha256 if isinstance(outcome, ResultOutcome) else None
    return is_replay(task, pod, outcome, sha256)
