"""What is known of a task at the moment of a decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mcptasks.model.lifecycle import created_at
from mcptasks.model.task import McpTask
from mcptasks.model.task_template import Executor
from mcptasks_operator.deciding.gathered_evidence import Evidence
from mcptasks_operator.deciding.object_facts import MANAGED_BY_WARM, JobFacts, PodFacts
from mcptasks_operator.deciding.policy import Policy


@dataclass(frozen=True, slots=True)
class DecisionBasis:
    """All that a decision rests on."""

    task: McpTask
    job: JobFacts | None
    pods: tuple[PodFacts, ...]
    now: datetime
    policy: Policy
    evidence: Evidence = field(default_factory=Evidence)

    @property
    def live_pods(self) -> tuple[PodFacts, ...]:
        return tuple(pod for pod in self.pods if not pod.ended)

    @property
    def last_pod(self) -> PodFacts | None:
        return self.pods[-1] if self.pods else None

    @property
    def claimed(self) -> bool:
        """Whether a Pod has claimed the task: its tool may have run."""
        return self.task.status.pod_uid is not None

    @property
    def warm_job(self) -> JobFacts | None:
        """The task's own Job, if it is the record of a task that workers run."""
        job = self.job
        ours = job is not None and job.belongs_to(self.task.uid) and job.managed_by == MANAGED_BY_WARM
        return job if ours else None

    @property
    def warm(self) -> bool:
        """Whether workers run the task. A task that nobody has claimed is run as its template says now."""
        executor, job = self.task.status.executor, self.job
        own = job if job is not None and job.belongs_to(self.task.uid) else None
        if self.claimed and executor is not None:
            return executor == Executor.WARM.value
        if own is not None and own.managed_by != MANAGED_BY_WARM:
            # A Job from before the template became a warm one has been deleted for the worker that took the task.
            made_way = executor == Executor.WARM.value and own.gone_at is not None
            return made_way and (self.task.terminal or self.policy.executor is Executor.WARM)
        if self.task.terminal:
            return executor == Executor.WARM.value or own is not None
        return self.policy.executor is Executor.WARM and not self.claimed

    @property
    def given_up(self) -> bool:
        """Whether workers have had the task and none has it now: what Job it has had was only a record of that."""
        return self.task.status.executor == Executor.WARM.value and not self.claimed

    @property
    def may_start_since(self) -> datetime:
        """Since when nothing but its Pod keeps the task from starting."""
        status, created = self.task.status, created_at(self.task)
        return max(created, status.admitted_at or created, status.retry_after or created)

    @property
    def holder(self) -> PodFacts | None:
        """The Pod that has claimed the task, if it is still known."""
        return next((pod for pod in self.pods if pod.uid == self.task.status.pod_uid), None)

    @property
    def attempts(self) -> int:
        """Attempts so far: those that claimed the task, and those that are known as Pods."""
        return max(self.task.status.attempts or 0, len(self.pods))

    def seconds_until(self, moment: datetime) -> float:
        """Seconds from now to the moment; a little more than 0 if it has passed."""
        return max((moment - self.now).total_seconds(), 0.05)

    def start_counts_from(self, waiting_since: datetime) -> datetime:
        """From when the start deadline counts while the Pod has no node.

        Pods from the same template compete for the same nodes: as long as others get one, this one has only to wait.
        """
        return max(waiting_since, self.evidence.last_scheduled_at or waiting_since)

    def seconds_since(self, moment: datetime) -> float:
        """Seconds from the moment to now."""
        return (self.now - moment).total_seconds()
