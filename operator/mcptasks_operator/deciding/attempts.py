"""Between two attempts: whether another one follows, by the rules of the task and by what its Job does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from mcptasks.gateway.contract import RunnerExitCode
from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.lifecycle import SCHEDULED
from mcptasks.model.retry_rules import AttemptEnd, NextAttempt, next_attempt
from mcptasks.model.task import Phase, Reason
from mcptasks_operator.deciding.decision_basis import DecisionBasis
from mcptasks_operator.deciding.decisions import Decision, Gather, ShowCause
from mcptasks_operator.deciding.failures import diagnose_failure, preempted
from mcptasks_operator.deciding.gathered_evidence import Need
from mcptasks_operator.deciding.object_facts import JobFacts, PodFacts, TerminatedState
from mcptasks_operator.deciding.pending_causes import RECHECK_SECONDS
from mcptasks_operator.deciding.start_deadline import without_pod
from mcptasks_operator.deciding.start_failures import permanent_start_failure
from mcptasks_operator.deciding.task_ends import end_task, has_log

MAX_BACKOFF_SECONDS = 360.0
"""The Job controller waits 10 s before the second attempt, then twice as long each time, at most this."""

GONE_SECONDS = 30.0
"""How long after its grace period a Pod that has ended may stay; a finalizer can keep it for ever."""


def refused_attempt(facts: DecisionBasis, job: JobFacts) -> Decision | None:
    """End the task where its last attempt has ended, and the Job makes another Pod against the task's own rules.

    None where the rules allow another attempt, or where the Job ends by itself.
    """
    holder = facts.holder
    if not facts.claimed or (holder is not None and not holder.ended) or _is_allowed(facts, job, holder):
        return None
    if job.reason or (holder is not None and _ends_job(facts, job, holder)):
        return None
    if holder is not None and _is_about_to_go(facts, holder):
        # Once it is gone, it is known whether the Job has counted it.
        return Decision(requeue_after=RECHECK_SECONDS)
    if not facts.evidence.fresh:
        return Decision(Gather(Need.FRESH))
    if facts.evidence.log is None and holder is facts.last_pod and has_log(holder):
        return Decision(Gather(Need.LOG))
    # The Pods that came after it ran nothing: they are not attempts.
    return end_task(replace(facts, pods=()), Phase.FAILED, _diagnosis(facts, job, holder))


def _is_about_to_go(facts: DecisionBasis, pod: PodFacts) -> bool:
    """Whether the Pod is being deleted, and nothing keeps it longer than is usual."""
    if pod.deletion_due is None or pod.gone_at is not None:
        return False
    return facts.now < pod.deletion_due + timedelta(seconds=GONE_SECONDS)


def _is_allowed(facts: DecisionBasis, job: JobFacts, holder: PodFacts | None) -> bool:
    following = next_attempt(facts.task, attempt_end(holder), retries_disruptions=job.retries_disruptions)
    return following is not NextAttempt.REFUSED


def attempt_end(pod: PodFacts | None) -> AttemptEnd:
    """How the attempt of a Pod ended that is finished or gone."""
    if pod is None:
        return AttemptEnd.REMOVED
    if pod.disruption is not None:
        return AttemptEnd.DISRUPTED
    by_itself = isinstance(pod.runner.state, TerminatedState) or pod.gone_at is None
    return AttemptEnd.CRASHED if by_itself and not pod.deleting else AttemptEnd.REMOVED


def _ends_job(facts: DecisionBasis, job: JobFacts, pod: PodFacts) -> bool:
    """Whether the Job controller ends the Job because of this Pod, the last one, and has not done so yet."""
    if pod.gone_at is not None or pod.deleting or facts.live_pods:
        return False
    if pod.phase == "Succeeded":
        return True
    if pod.disruption is not None:
        return not job.retries_disruptions
    return _has_recorded_failure(pod) or _failures(facts) > job.backoff_limit


def _diagnosis(facts: DecisionBasis, job: JobFacts, pod: PodFacts | None) -> Diagnosis:
    """Why the attempt ended."""
    if pod is None:
        return preempted(job, facts.task.status.pod_name)
    if attempt_end(pod) is not AttemptEnd.REMOVED:
        return diagnose_failure(job, pod, facts.policy, 1)
    state = pod.runner.state
    return preempted(job, pod.name, state.exit_code if isinstance(state, TerminatedState) else None)


def between_attempts(facts: DecisionBasis, job: JobFacts, pod: PodFacts) -> Decision:
    """The last Pod has ended and the Job has not: show that another attempt follows, or wait for the Job's end."""
    if (cause := permanent_start_failure(pod)) is not None:
        return end_task(facts, Phase.FAILED, cause)
    if not _has_next_attempt(facts, job, pod):
        return Decision(requeue_after=RECHECK_SECONDS)
    unused = attempt_end(pod) is AttemptEnd.REMOVED and pod is not facts.holder
    if unused or _retry_is_shown(facts):
        pause = min(10.0 * 2 ** max(len(facts.pods) - 1, 0), MAX_BACKOFF_SECONDS)
        return without_pod(facts, max(pod.ended_at + timedelta(seconds=pause), job.start))
    last = _diagnosis(facts, job, pod)
    retries = facts.task.spec.retries
    of = f" of at most {retries + 1}" if retries else ""
    text = f"attempt {facts.attempts}{of} failed ({last.reason.value}): {last.cause}; another one follows"
    return Decision(ShowCause(Reason.RETRYING, Reason.RETRYING.value, text, attempts=facts.attempts))


def _has_next_attempt(facts: DecisionBasis, job: JobFacts, pod: PodFacts) -> bool:
    """Whether the Job controller makes another Pod after this one."""
    if job.reason or pod.phase == "Succeeded":
        return False
    if pod.disruption is not None:
        return job.retries_disruptions
    if _has_recorded_failure(pod):
        return False
    # A Pod that the Job controller removed itself, because the Job was suspended, counts for nothing.
    uncounted = pod.gone_at is not None and attempt_end(pod) is AttemptEnd.REMOVED
    return uncounted or _failures(facts) <= job.backoff_limit


def _has_recorded_failure(pod: PodFacts) -> bool:
    state = pod.runner.state
    return isinstance(state, TerminatedState) and state.exit_code == RunnerExitCode.FAILURE_RECORDED


def _failures(facts: DecisionBasis) -> int:
    """How many Pods count towards the Job's `backoffLimit`."""
    return sum(1 for pod in facts.pods if pod.ended and pod.disruption is None)


def _retry_is_shown(facts: DecisionBasis) -> bool:
    """Whether the status shows the end of the last attempt, or what has kept the next one from starting since."""
    status = facts.task.status
    shown = status.condition(SCHEDULED)
    return shown is not None and shown.status == "False" and (status.attempts or 0) >= facts.attempts
