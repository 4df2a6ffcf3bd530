"""After the end: stop what still runs, record that it is gone, and delete the task when it has expired."""

from __future__ import annotations

from datetime import datetime, timedelta

from mcptasks.model.lifecycle import created_at, expiry, pods_are_gone
from mcptasks.model.task import Phase, Reason
from mcptasks_operator.deciding.decision_basis import DecisionBasis
from mcptasks_operator.deciding.decisions import (
    Decision,
    DeleteJob,
    DeletePods,
    DeleteTask,
    Gather,
    MarkTerminated,
    Notice,
    OrphanedPod,
    SetJobTtl,
)
from mcptasks_operator.deciding.gathered_evidence import Need
from mcptasks_operator.deciding.object_facts import JobFacts, RunningState
from mcptasks_operator.deciding.pending_causes import RECHECK_SECONDS
from mcptasks_operator.deciding.task_ends import NO_PROCESS

LINGER_SECONDS = 120.0
"""How long a process may take to exit after its outcome was recorded, before its Job is deleted."""

ORPHAN_SECONDS = 5.0
"""How long the garbage collector has for the Pods of a Job that is gone, before they are deleted one by one."""

EXPIRY_SLACK_SECONDS = 1.0
"""How long after its expiry a task without a Job is deleted."""

JOB_EXPIRY_SLACK_SECONDS = 30.0
"""How long the TTL controller has to remove the expired Job, before the task is deleted with it."""

_STOPPED_AT_ONCE = (Reason.DEADLINE_EXCEEDED, Reason.INPUT_TIMEOUT, Reason.PREEMPTED)
"""Reasons for which the Job is deleted at once: a process still runs, or another Pod may come."""


def after_end(facts: DecisionBasis) -> Decision:
    """The next step for a task whose phase is terminal."""
    job = facts.job if facts.job is not None and facts.job.belongs_to(facts.task.uid) else None
    there = job if job is not None and job.gone_at is None else None
    due = deletion_due(facts, job)
    if facts.now >= due:
        return Decision(DeleteTask())
    if there is None or there.deleting:
        decision = _without_process(facts, job)
    elif there.outcome is None:
        decision = _stop_job(facts, there)
    else:
        decision = _keep_job(facts, there)
    if decision.step is None:
        wait = facts.seconds_until(due)
        return Decision(requeue_after=min(wait, decision.requeue_after or wait))
    return decision


def _expires_at(facts: DecisionBasis) -> datetime:
    retention = facts.policy.retention(facts.task.phase)
    return facts.task.status.expires_at or expiry(facts.task, finished_at(facts), retention)


def deletion_due(facts: DecisionBasis, job: JobFacts | None) -> datetime:
    """When the task is deleted: with its Job, whose TTL runs out at the expiry; soon after the expiry without one."""
    expires = _expires_at(facts)
    if job is None:
        return expires + timedelta(seconds=EXPIRY_SLACK_SECONDS)
    return expires if job.gone_at is not None else expires + timedelta(seconds=JOB_EXPIRY_SLACK_SECONDS)


def finished_at(facts: DecisionBasis) -> datetime:
    """When the task ended."""
    return facts.task.status.finished_at or created_at(facts.task)


def _stop_job(facts: DecisionBasis, job: JobFacts) -> Decision:
    """The task has ended and its Job has not: delete the Job, now if a process must end or not start, else later."""
    runs = facts.task.status.started_at is not None or any(
        isinstance(p.runner.state, RunningState) for p in facts.live_pods
    )
    linger = finished_at(facts) + timedelta(seconds=LINGER_SECONDS)
    if (
        facts.task.phase is Phase.CANCELLED
        or facts.task.status.reason in _STOPPED_AT_ONCE
        or not runs
        or _makes_more_pods(facts, job)
        or facts.now >= linger
    ):
        return Decision(DeleteJob(job.uid))
    return Decision(requeue_after=facts.seconds_until(linger))


def _makes_more_pods(facts: DecisionBasis, job: JobFacts) -> bool:
    """Whether the last process has failed and the Job's `backoffLimit` was raised: another Pod would follow."""
    last = facts.last_pod
    return job.backoff_limit > facts.task.spec.retries and last is not None and last.ended and last.phase == "Failed"


def _keep_job(facts: DecisionBasis, job: JobFacts) -> Decision:
    """The Job has finished: keep it, and its Pod's log, for as long as the task; after a cancel delete it."""
    if not pods_are_gone(facts.task):
        return record_termination(facts, "JobFinished")
    if facts.task.phase is Phase.CANCELLED:
        return Decision(DeleteJob(job.uid))
    if job.ttl_seconds is not None:
        return Decision()
    return Decision(SetJobTtl(seconds_of_retention(facts, job.finished_at)))


def seconds_of_retention(facts: DecisionBasis, job_finished_at: datetime | None = None) -> int:
    """How long the Job stays after its end (from now on, if it has not ended), so that it goes with its task."""
    left = (_expires_at(facts) - (job_finished_at or facts.now)).total_seconds()
    return max(0, -int(-left // 1))


def _without_process(facts: DecisionBasis, job: JobFacts | None) -> Decision:
    """The Job is gone or is being deleted; its Pods may still have to go."""
    if facts.live_pods:
        return _wait_for_pods(facts, job)
    if pods_are_gone(facts.task):
        return Decision()
    if not facts.evidence.fresh:
        return Decision(Gather(Need.FRESH))
    return record_termination(facts, "PodsGone")


def _wait_for_pods(facts: DecisionBasis, job: JobFacts | None) -> Decision:
    gone_at = job.gone_at if job is not None else None
    if job is not None and gone_at is None:
        return Decision(requeue_after=RECHECK_SECONDS)
    orphaned_at = max(finished_at(facts), gone_at or finished_at(facts))
    orphans_due = orphaned_at + timedelta(seconds=ORPHAN_SECONDS)
    orphans = tuple(OrphanedPod(pod.name, pod.uid) for pod in facts.live_pods if not pod.deleting)
    if orphans and facts.now >= orphans_due:
        return Decision(DeletePods(orphans))
    return Decision(requeue_after=facts.seconds_until(orphans_due) if orphans else RECHECK_SECONDS)


def record_termination(facts: DecisionBasis, reason: str) -> Decision:
    """Say in the status that no process is left."""
    took = max(facts.seconds_since(finished_at(facts)), 0.0)
    after = "cancel" if facts.task.phase is Phase.CANCELLED else "end"
    text = f"terminated {took:.1f} s after the {after}" if facts.pods or facts.job else NO_PROCESS
    return Decision(MarkTerminated(reason, text), notice=end_notice(facts, text))


def end_notice(facts: DecisionBasis, terminated: str) -> Notice:
    """The Event about the end; `terminated` says when the last process was gone."""
    status, phase = facts.task.status, facts.task.phase
    if phase is Phase.FAILED:
        return Notice("Warning", status.reason or "Failed", status.message or "the task failed")
    if phase is Phase.CANCELLED:
        return Notice("Normal", "Cancelled", f"{status.message or 'cancelled'}; {terminated}")
    took = (finished_at(facts) - created_at(facts.task)).total_seconds()
    return Notice("Normal", "Completed", f"completed after {took:.1f} s")
