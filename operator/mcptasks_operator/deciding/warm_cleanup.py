"""A task that workers ran, after its end: no process left, a finished Job as the record of it, and its deletion."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from mcptasks.model.lifecycle import PODS_TERMINATED, pods_are_gone
from mcptasks.model.task import Phase
from mcptasks.model.task_template import Executor
from mcptasks_operator.deciding.cleanup import (
    deletion_due,
    end_notice,
    finished_at,
    record_termination,
    seconds_of_retention,
)
from mcptasks_operator.deciding.decision_basis import DecisionBasis
from mcptasks_operator.deciding.decisions import (
    CreateJob,
    Decision,
    DeleteJob,
    DeletePods,
    DeleteTask,
    FinishJob,
    Gather,
    MarkTerminated,
    Notice,
    OrphanedPod,
    SetJobTtl,
)
from mcptasks_operator.deciding.gathered_evidence import Need
from mcptasks_operator.deciding.object_facts import JobFacts
from mcptasks_operator.deciding.task_ends import NO_PROCESS
from mcptasks_operator.deciding.warm_tasks import WORKER_SLACK_SECONDS, adoption, record_pause

LATE_JOB_SECONDS = 600.0
"""For how long after its end a task without a Job gets one. Later, it has had one that somebody has deleted."""

NEWS_SECONDS = 60.0
"""For how long after its end a task's Event is posted: an operator that starts does not repeat those of all tasks."""

TTL_SLACK_SECONDS = 30
"""How much longer than the task its Job may stay: the task's deletion takes it along."""


def after_warm_end(facts: DecisionBasis) -> Decision:
    """The next step for a task of a worker whose phase is terminal."""
    due = deletion_due(facts, facts.warm_job)
    if facts.now >= due:
        return Decision(DeleteTask())
    decision = _processes(facts) or _later(facts) or replace(_job(facts), notice=_news(facts))
    if decision.step is None:
        wait = facts.seconds_until(due)
        return replace(decision, requeue_after=min(wait, decision.requeue_after or wait))
    return decision


def _later(facts: DecisionBasis) -> Decision | None:
    """Leave Job and Event for a moment in which no task waits for a worker. A cancelled task's Job goes at once."""
    pause = 0.0 if facts.task.phase is Phase.CANCELLED else record_pause(facts, finished_at(facts))
    return Decision(requeue_after=pause) if pause else None


def _news(facts: DecisionBasis) -> Notice | None:
    """The Event about the end: the worker, whose word on the last process the gateway writes, posts none."""
    status, condition = facts.task.status, facts.task.status.condition(PODS_TERMINATED)
    if condition is None or facts.now > finished_at(facts) + timedelta(seconds=NEWS_SECONDS):
        return None
    notice = end_notice(facts, condition.message or NO_PROCESS)
    if facts.task.phase is Phase.FAILED and status.log_tail:
        return replace(notice, message=f"{notice.message}\nLast log lines:\n{status.log_tail}")
    return notice


def _processes(facts: DecisionBasis) -> Decision | None:
    """Until it is recorded that none is left; the worker says so, unless it hangs or is gone."""
    if pods_are_gone(facts.task):
        return None
    if facts.task.status.started_at is None:
        return Decision(MarkTerminated("NoProcess", NO_PROCESS))
    holder = facts.holder
    if holder is None or holder.runner_ended:
        return record_termination(facts, "PodsGone") if facts.evidence.fresh else Decision(Gather(Need.FRESH))
    patience = holder.grace_seconds + WORKER_SLACK_SECONDS
    overdue = finished_at(facts) + timedelta(seconds=patience)
    # Whose clock says when it ended may be behind: others may have tasks in this worker.
    unseen = patience - facts.evidence.watched_seconds
    if facts.now >= overdue and unseen <= 0 and not holder.deleting:
        return Decision(DeletePods((OrphanedPod(holder.name, holder.uid),)))
    if facts.task.phase is Phase.CANCELLED and facts.warm_job is not None:
        # With a worker for each task this takes its Pod along.
        stopped = _stopped(facts.warm_job)
        if stopped is not None:
            return stopped
    return Decision(requeue_after=max(facts.seconds_until(overdue), unseen))


def _stopped(job: JobFacts) -> Decision | None:
    return None if job.gone_at is not None or job.deleting else Decision(DeleteJob(job.uid))


def _job(facts: DecisionBasis) -> Decision:
    job = facts.warm_job
    if facts.task.phase is Phase.CANCELLED:
        return (_stopped(job) if job is not None else None) or Decision()
    if job is None:
        return Decision(CreateJob(Executor.WARM, seconds_of_retention(facts))) if _wants_job(facts) else Decision()
    if job.gone_at is not None or job.deleting or job.outcome is not None:
        return Decision()
    if (adopted := adoption(facts)) is not None:
        return adopted
    left = seconds_of_retention(facts)
    if job.ttl_seconds is None or abs(job.ttl_seconds - left) > TTL_SLACK_SECONDS:
        return Decision(SetJobTtl(left))
    return Decision(FinishJob(job.uid))


def _wants_job(facts: DecisionBasis) -> bool:
    """Whether a worker was faster than the making of the Job: a task that none has begun gets no record."""
    late = facts.now >= finished_at(facts) + timedelta(seconds=LATE_JOB_SECONDS)
    begun = facts.task.status.started_at is not None
    return begun and not late and facts.job is None and facts.evidence.refusal is None
