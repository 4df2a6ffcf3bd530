"""What to do next for a task, given what is known of it, its Job and its Pods. Pure: no I/O, no clock.

`decide` names one step at a time; whoever carries it out looks again and asks again. So every step rests on the state
that the step before it left behind, and an operator that dies between two steps goes on where it stopped.

There is one Job per task. The operator records nothing when it creates the Job: the Job has the task's name, so that a
second attempt to create it fails. That the Job existed is known from `status.jobName`, which the gateway sets when a
process claims the task, and until then from what the cache keeps of a Job that is gone. A Job that is deleted before
any process has claimed the task, while no operator runs, is created again: no tool code has run, so nothing runs
twice. Once a process has claimed it, the task's own rules say whether another attempt may follow, whatever its Job says
or does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.restored import is_restored
from mcptasks.model.task import McpTask, Phase, Reason
from mcptasks_operator.deciding.attempts import between_attempts, refused_attempt
from mcptasks_operator.deciding.cleanup import after_end
from mcptasks_operator.deciding.decision_basis import DecisionBasis
from mcptasks_operator.deciding.decisions import Decision, DeleteJob
from mcptasks_operator.deciding.gathered_evidence import Evidence
from mcptasks_operator.deciding.job_creation import foreign_job, without_job
from mcptasks_operator.deciding.object_facts import JobFacts, PodFacts
from mcptasks_operator.deciding.pending_causes import suspended_job, wait_for_turn
from mcptasks_operator.deciding.policy import Policy
from mcptasks_operator.deciding.restored_task import restored_task
from mcptasks_operator.deciding.run_deadline import running_pod
from mcptasks_operator.deciding.start_deadline import starting_pod, without_pod
from mcptasks_operator.deciding.task_ends import deleted_job, end_task, finished_job
from mcptasks_operator.deciding.warm_cleanup import after_warm_end
from mcptasks_operator.deciding.warm_tasks import warm_task

RECORD_SECONDS = 1.0
"""When it is looked again whether a Job that is being deleted is gone."""


def decide(
    task: McpTask,
    job: JobFacts | None,
    pods: Sequence[PodFacts],
    now: datetime,
    policy: Policy,
    evidence: Evidence | None = None,
) -> Decision:
    """The next step for the task.

    `job` is the Job of the task's name, or the last known state of the task's own Job with `gone_at` set. `pods` are
    those with the task's uid, gone ones included.
    """
    ordered = tuple(sorted(pods, key=lambda pod: (pod.created_at, pod.name)))
    facts = DecisionBasis(task, job, ordered, now, policy, evidence or Evidence())
    if task.metadata.deletion_timestamp is not None:
        return Decision()
    if facts.warm:
        return after_warm_end(facts) if task.terminal else _before_end(facts, warm_task)
    return after_end(facts) if task.terminal else _before_end(facts, _task_of_job)


def _before_end(facts: DecisionBasis, next_step: Callable[[DecisionBasis], Decision]) -> Decision:
    if facts.task.spec.cancel:
        return end_task(facts, Phase.CANCELLED, Diagnosis(Reason.CANCELLED_BY_SPEC, "cancelled by spec.cancel"))
    if is_restored(facts.task) and not facts.claimed:
        return restored_task(facts)
    turn = facts.evidence.turn
    if turn is not None and facts.task.waits_for_place and not facts.claimed:
        return wait_for_turn(facts, turn)
    return next_step(facts)


def _task_of_job(facts: DecisionBasis) -> Decision:
    """The next step for a task whose Job makes its Pods."""
    record = facts.warm_job
    if facts.given_up and record is not None:
        # The template's tasks have Jobs of their own now, of the same name.
        return _without_record(facts, record)
    job = facts.job
    if job is None:
        return without_job(facts)
    if not job.belongs_to(facts.task.uid):
        return foreign_job(facts, job)
    if job.gone_at is not None or job.deleting:
        return deleted_job(facts, job)
    if job.outcome is not None:
        return finished_job(facts, job)
    if (refused := refused_attempt(facts, job)) is not None:
        return refused
    # The process of a Job that was just suspended may still end the task in its grace period.
    runs = facts.holder is not None and not facts.holder.ended
    return suspended_job(facts, job) if job.suspended and not runs else _active_job(facts, job)


def _without_record(facts: DecisionBasis, record: JobFacts) -> Decision:
    """Workers had the task, and none has it now: it gets a Job in place of the one that told of them."""
    if record.gone_at is not None:
        return without_job(facts)
    return Decision(requeue_after=RECORD_SECONDS) if record.deleting else Decision(DeleteJob(record.uid))


def _active_job(facts: DecisionBasis, job: JobFacts) -> Decision:
    pod = facts.last_pod
    if pod is None:
        return without_pod(facts, job.start)
    if pod.ended:
        return between_attempts(facts, job, pod)
    if pod.started or facts.task.status.pod_uid == pod.uid:
        return running_pod(facts, job, pod)
    return starting_pod(facts, job, pod)
