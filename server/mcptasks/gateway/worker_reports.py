"""Writes down what only workers report: that an attempt's processes have ended, or that it was never begun."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mcptasks.gateway.claims import refuse_unless_runs
from mcptasks.gateway.contract import ProcessOutcome, UnstartedOutcome, WorkerOutcome
from mcptasks.gateway.outcomes import is_claimed_by
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.refusals import unavailable
from mcptasks.gateway.task_records import TaskRecords
from mcptasks.gateway.template_facts import TemplateFacts
from mcptasks.gateway.worker_ends import (
    ReportingWorker,
    attempt_end,
    attempt_fields,
    diagnosis,
    ended_with_worker,
    process_ending,
    terminated_after_end,
)
from mcptasks.kube.task_objects import StoredTask, parse_task
from mcptasks.model.attempt_release import given_back, released
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import Retention, end
from mcptasks.model.retry_rules import NextAttempt, next_attempt
from mcptasks.model.task import LogRecord, McpTask

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerOutcomes:
    """Records them. `facts_of` gives what is known of the worker besides its words."""

    records: TaskRecords
    retention: Retention
    templates: TemplateFacts
    facts_of: Callable[[TaskPod], ReportingWorker]
    clock: Callable[[], datetime]

    async def record(
        self,
        pod: TaskPod,
        outcome: ProcessOutcome | UnstartedOutcome,
        read: StoredTask,
        log: LogRecord | None = None,
    ) -> None:
        """End the attempt: the task with it, or not, by the task's own rules. Raises RefusedError, KubeError.

        `log`: what it has printed.
        """

        def change(task: McpTask) -> JsonObject | None:
            if task.terminal and is_claimed_by(task, pod):
                return terminated_after_end(task, outcome, self.clock(), log)
            refuse_being_cancelled(task, pod)
            refuse_unless_runs(task, pod)
            if isinstance(outcome, UnstartedOutcome):
                why = outcome.message or f"Pod {pod.name} has given it back"
                return {"status": given_back(task, why, self.clock())}
            return self._ended(task, pod, outcome, log)

        written = parse_task(await self.records.write(read.item, change, parsed=read.task))
        logger.info("attempt %s in Pod %s: %s (%s)", pod.attempt, pod.name, written.phase, written.status.reason)

    def _ended(self, task: McpTask, pod: TaskPod, outcome: ProcessOutcome, log: LogRecord | None) -> JsonObject:
        now, worker = self.clock(), self.facts_of(pod)
        limit = self.templates.run_limit(task)
        following = next_attempt(
            task, attempt_end(outcome, worker), retries_disruptions=self.templates.retries_disruptions(task)
        )
        if following is NextAttempt.REFUSED:
            cause = diagnosis(outcome, worker, limit, task.status.attempts or 1)
            patch = end(task, process_ending(cause, outcome.log_tail), now, self.retention)
            return ended_with_worker(task, patch, outcome, now, log)
        cause = diagnosis(outcome, worker, limit, 1)
        return {"status": released(task, cause, following, now) | attempt_fields(task, outcome, log)}

    async def processes_gone(self, pod: TaskPod, outcome: WorkerOutcome, log: LogRecord | None = None) -> None:
        """Note for a task that has ended otherwise that nothing of the Pod's attempt is left.

        Raises RefusedError, KubeError.
        """

        def change(task: McpTask) -> JsonObject | None:
            refuse_being_cancelled(task, pod)
            if not (task.terminal and is_claimed_by(task, pod)):
                return None
            return terminated_after_end(task, outcome, self.clock(), log)

        # Not what the watch has: that the task has ended was found out just now.
        await self.records.write(await self.records.read(pod), change)


def refuse_being_cancelled(task: McpTask, pod: TaskPod) -> None:
    """A task that is to be cancelled ends in a moment, and only then it can be noted that its processes are gone.

    Raises RefusedError, for the worker to try again.
    """
    if task.spec.cancel and not task.terminal and is_claimed_by(task, pod):
        raise unavailable(f"task {task.name} is being cancelled, and has not ended yet")
