"""A task that workers run, before its end. Handing it out is the gateway's; what follows from facts is decided here.

A worker's Pod belongs to no task, and the Job is only a record: the Job controller leaves it alone. So the deadlines
count here, the loss of a worker is noticed here, and here it is said whether another attempt follows.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from mcptasks.gateway.contract import RunnerExitCode
from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.lifecycle import created_at
from mcptasks.model.questions import answers_due, timed_out, waited
from mcptasks.model.retry_rules import PREEMPTED_HINT, AttemptEnd, NextAttempt, next_attempt
from mcptasks.model.task import Phase, Reason
from mcptasks.model.task_template import Executor
from mcptasks_operator.deciding.attempts import MAX_BACKOFF_SECONDS, attempt_end
from mcptasks_operator.deciding.cleanup import seconds_of_retention
from mcptasks_operator.deciding.decision_basis import DecisionBasis
from mcptasks_operator.deciding.decisions import (
    AdoptWorker,
    CreateJob,
    Decision,
    DeleteJob,
    Gather,
    Notice,
    ReleaseClaim,
)
from mcptasks_operator.deciding.failures import deadline_exceeded, diagnose_worker, node_lost, preempted
from mcptasks_operator.deciding.gathered_evidence import Need, TemplateState
from mcptasks_operator.deciding.job_creation import template_not_found
from mcptasks_operator.deciding.object_facts import JobFacts, PodFacts, TerminatedState
from mcptasks_operator.deciding.pending_causes import NOTABLE_SECONDS, RECHECK_SECONDS, show_cause
from mcptasks_operator.deciding.run_deadline import ANSWER_SLACK_SECONDS, OVERDUE_SECONDS
from mcptasks_operator.deciding.start_failures import start_deadline_exceeded
from mcptasks_operator.deciding.task_ends import NO_PROCESS, deleted_job, end_task

WORKER_SLACK_SECONDS = 60.0
"""How long after deadline and grace period a worker may take to end a task, before the operator does."""

FIRST_BACKOFF_SECONDS = 10.0
"""Before the second attempt, as with Jobs; twice as long before each further one."""

BUSY_NOTABLE_SECONDS = 15.0
"""After that long a task that only waits its turn says so. Of many at once nearly all wait for some seconds, and each
such write is as dear as the claim that it is in the way of."""

RECORD_SECONDS = 5.0
"""How much later, at most, the Job of a task is made while others of its template wait for a worker."""

WAITING = "WaitingForWorker"


def warm_task(facts: DecisionBasis) -> Decision:
    """The next step for a task of a worker that has not ended."""
    job = facts.warm_job
    if job is not None and (job.gone_at is not None or job.deleting):
        return deleted_job(facts, job)
    if job is not None and job.suspended:
        return end_task(facts, Phase.FAILED, _suspended(facts), None if facts.claimed else NO_PROCESS)
    if not facts.claimed:
        return _waiting(facts)
    cold = facts.job
    if job is None and cold is not None and cold.belongs_to(facts.task.uid) and _is_there(cold):
        # It was made before the template became a warm one, and a worker was faster than its Pod.
        return Decision(DeleteJob(cold.uid))
    holder = facts.holder
    if holder is None or holder.runner_ended:
        return _lost_worker(facts, holder)
    if facts.job is None and facts.evidence.refusal is None:
        if pause := record_pause(facts, facts.task.status.started_at):
            return _look_again(_running(facts, holder), pause)
        created = Notice("Normal", "JobCreated", f"created Job {facts.task.name}")
        return Decision(CreateJob(Executor.WARM, seconds_of_retention(facts)), notice=created)
    return adoption(facts) or _running(facts, holder)


def record_pause(facts: DecisionBasis, since: datetime | None) -> float:
    """For how many seconds the record of what happened then has to wait, because others wait for a worker; 0: no more.

    What callers wait for goes first: a task's Job and Events are as dear for the API server as its claim and its end.
    """
    if not facts.evidence.waiting or since is None:
        return 0.0
    due = since + timedelta(seconds=RECORD_SECONDS)
    return facts.seconds_until(due) if facts.now < due else 0.0


def _look_again(decision: Decision, seconds: float) -> Decision:
    if decision.step is not None:
        return decision
    return replace(decision, requeue_after=min(seconds, decision.requeue_after or seconds))


def adoption(facts: DecisionBasis) -> Decision | None:
    """Give a worker that runs no other task to the task's Job, so that the Pod goes when the Job does."""
    job, holder = facts.warm_job, facts.holder
    if job is None or not _is_there(job) or holder is None or holder.gone_at is not None or holder.deleting:
        return None
    single = holder.worker is not None and holder.worker.tasks_per_worker == 1
    if not single or (holder.owner is not None and holder.owner.uid == job.uid):
        return None
    return Decision(AdoptWorker(holder.name, holder.uid, job.uid))


def _is_there(job: JobFacts) -> bool:
    return job.gone_at is None and not job.deleting


def _suspended(facts: DecisionBasis) -> Diagnosis:
    name = facts.task.status.pod_name
    where = f" while worker {name} ran the tool" if name else ""
    return Diagnosis(Reason.PREEMPTED, f"its Job was suspended{where}", PREEMPTED_HINT)


def _waiting(facts: DecisionBasis) -> Decision:
    """No worker has the task yet: say why, fail at once where none will come, and at the start deadline."""
    if facts.evidence.template is TemplateState.UNKNOWN:
        return Decision(Gather(Need.TEMPLATE))
    if facts.evidence.template is TemplateState.MISSING:
        return end_task(facts, Phase.FAILED, template_not_found(facts), terminated=NO_PROCESS)
    pool = facts.evidence.pool
    if pool.failure is not None:
        return end_task(facts, Phase.FAILED, pool.failure, terminated=NO_PROCESS)
    since = facts.may_start_since
    deadline = _start_counts_from(facts, since) + timedelta(seconds=facts.policy.start.seconds)
    cause = pool.cause or _not_taken(facts)
    if facts.now >= deadline:
        late = start_deadline_exceeded(facts.policy.start, cause)
        return end_task(facts, Phase.FAILED, late, terminated=NO_PROCESS)
    spent = facts.seconds_since(since)
    notable = NOTABLE_SECONDS if pool.cause is not None or not pool.workers else BUSY_NOTABLE_SECONDS
    if spent < notable:
        return Decision(requeue_after=min(notable - spent, facts.seconds_until(deadline)))
    word = WAITING if pool.cause is None else None
    return show_cause(facts, cause, min(RECHECK_SECONDS, facts.seconds_until(deadline)), word)


def _start_counts_from(facts: DecisionBasis, since: datetime) -> datetime:
    """As long as workers of the template take tasks, this one has only to wait its turn."""
    moments = (since, facts.evidence.pool.last_taken_at, facts.evidence.watching_since)
    return max(moment for moment in moments if moment is not None)


def _not_taken(facts: DecisionBasis) -> Diagnosis:
    workers, idle = facts.evidence.pool.workers, facts.evidence.pool.idle
    template = f"McpTaskTemplate {facts.policy.template}"
    if idle:
        return Diagnosis(
            Reason.PENDING,
            f"{idle} of {workers} workers of {template} are idle and do not take it: they run other code than the "
            "server, or do not reach its gateway",
            "Look at the server's log (gets no tasks), at MCPTASKS_GATEWAY_URL of the operator, and at NetworkPolicies",
        )
    busy = {
        0: f"a worker of {template} is not there yet",
        1: f"the one worker of {template} is busy",
    }
    return Diagnosis(
        Reason.PENDING,
        busy.get(workers, f"all {workers} workers of {template} are busy"),
        "Wait, or raise maxWorkers of the template",
    )


def _lost_worker(facts: DecisionBasis, holder: PodFacts | None) -> Decision:
    """The worker that had the task is gone, or its Pod has ended: another attempt, if the task's rules allow it.

    Its log is not quoted: it may be that of other callers' tasks.
    """
    if not facts.evidence.fresh:
        return Decision(Gather(Need.FRESH))
    if holder is not None and _had_not_begun(holder):
        return _given_back(facts, holder)
    ended = attempt_end(holder)
    following = next_attempt(facts.task, ended, retries_disruptions=facts.policy.retries_disruptions)
    cause = _loss(facts, holder, ended)
    if following is NextAttempt.REFUSED:
        return end_task(facts, Phase.FAILED, cause, terminated="its worker is gone")
    attempts = facts.task.status.attempts or 1
    pause = min(FIRST_BACKOFF_SECONDS * 2.0 ** min(attempts - 1, 16), MAX_BACKOFF_SECONDS)
    ended_at = holder.ended_at if holder is not None else facts.now
    return Decision(
        ReleaseClaim(
            message=f"attempt {attempts} failed ({cause.reason.value}): {cause.cause}; another one follows",
            retry_after=ended_at + timedelta(seconds=pause),
            uses_retry=following is NextAttempt.RETRY,
        )
    )


def _had_not_begun(holder: PodFacts) -> bool:
    """Whether the worker says by its exit code that it has begun none of the tasks that are claimed for it."""
    state = holder.runner.state
    return isinstance(state, TerminatedState) and state.exit_code == RunnerExitCode.WORKER_GIVEN_UP


def _given_back(facts: DecisionBasis, holder: PodFacts) -> Decision:
    """The claim was on its way when the worker ended."""
    message = (
        f"worker {holder.name} has ended before it began attempt {facts.task.status.attempts or 1}; another one does"
    )
    return Decision(ReleaseClaim(message=message, retry_after=facts.now, uses_retry=False))


def _loss(facts: DecisionBasis, holder: PodFacts | None, ended: AttemptEnd) -> Diagnosis:
    if holder is None or ended is AttemptEnd.REMOVED:
        return preempted(None, facts.task.status.pod_name)
    return diagnose_worker(holder, facts.policy, facts.attempts)


def _running(facts: DecisionBasis, holder: PodFacts) -> Decision:
    """The worker ends what takes too long; if it does not, the task ends here, and its Pod goes.

    What may run again waits until its Pod is gone: until then its process may live, as on a node that does not answer.
    """
    waits_for_end = facts.task.spec.idempotent and facts.policy.retries_disruptions
    if holder.deletion_due is not None and not waits_for_end:
        overdue = holder.deletion_due + timedelta(seconds=OVERDUE_SECONDS)
        if facts.now >= overdue:
            return end_task(facts, Phase.FAILED, node_lost(holder, "it does not end the Pod"))
        return Decision(requeue_after=facts.seconds_until(overdue))
    due = answers_due(facts.task)
    if due is not None:
        return _asking(facts, due + timedelta(seconds=ANSWER_SLACK_SECONDS))
    deadline, unseen = _run_deadline(facts, holder), _overdue_after(facts, holder) - facts.evidence.watched_seconds
    if facts.now < deadline:
        return Decision(requeue_after=facts.seconds_until(deadline))
    if holder.ready and unseen > 0:
        # The clock may have been set. The worker, which is well, has one of its own.
        return Decision(requeue_after=unseen)
    if holder.deletion_due is not None:
        return end_task(facts, Phase.FAILED, node_lost(holder, "it does not end the Pod"))
    return end_task(facts, Phase.FAILED, deadline_exceeded(facts.policy.run))


def _asking(facts: DecisionBasis, late: datetime) -> Decision:
    if facts.now < late:
        return Decision(requeue_after=facts.seconds_until(late))
    ending = timed_out(facts.task)
    return end_task(facts, Phase.FAILED, Diagnosis(ending.reason, ending.message))


def _run_deadline(facts: DecisionBasis, holder: PodFacts) -> datetime:
    started = facts.task.status.started_at or created_at(facts.task)
    return started + timedelta(seconds=_overdue_after(facts, holder)) + waited(facts.task, facts.now)


def _overdue_after(facts: DecisionBasis, holder: PodFacts) -> float:
    """Seconds from its start after which the worker should have ended it."""
    return facts.policy.run.seconds + holder.grace_seconds + WORKER_SLACK_SECONDS
