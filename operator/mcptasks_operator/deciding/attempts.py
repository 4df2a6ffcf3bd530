"""Between two attempts: whether another one follows."""

from __future__ import annotations

from datetime import timedelta

from mcptasks.gateway.contract import RunnerExitCode
from mcptasks.model.lifecycle import SCHEDULED
from mcptasks.model.task import Phase, Reason
from mcptasks_operator.deciding.decision_facts import DecisionFacts
from mcptasks_operator.deciding.decisions import Decision, ShowCause
from mcptasks_operator.deciding.facts import JobFacts, PodFacts, TerminatedState
from mcptasks_operator.deciding.failures import diagnose_failure
from mcptasks_operator.deciding.start_deadline import without_pod
from mcptasks_operator.deciding.start_failures import permanent_start_failure
from mcptasks_operator.deciding.task_ends import end_task
from mcptasks_operator.deciding.waits import RECHECK_SECONDS

MAX_BACKOFF_SECONDS = 360.0
"""The Job controller waits 10 s before the second attempt, then twice as long each time, at most this."""


def between_attempts(facts: DecisionFacts, job: JobFacts, pod: PodFacts) -> Decision:
    """The last Pod has ended and the Job has not: show that another attempt follows, or wait for the Job's end."""
    if (cause := permanent_start_failure(pod)) is not None:
        return end_task(facts, Phase.FAILED, cause)
    if not _has_next_attempt(facts, job, pod):
        return Decision(requeue_after=RECHECK_SECONDS)
    if _retry_is_shown(facts):
        pause = min(10.0 * 2 ** max(len(facts.pods) - 1, 0), MAX_BACKOFF_SECONDS)
        return without_pod(facts, pod.ended_at + timedelta(seconds=pause))
    last = diagnose_failure(job, pod, facts.policy, 1)
    of = f" of at most {job.backoff_limit + 1}" if job.backoff_limit else ""
    text = f"attempt {facts.attempts}{of} failed ({last.reason.value}): {last.cause}; another one follows"
    return Decision(ShowCause(Reason.RETRYING, Reason.RETRYING.value, text, attempts=facts.attempts))


def _has_next_attempt(facts: DecisionFacts, job: JobFacts, pod: PodFacts) -> bool:
    """Whether the Job controller makes another Pod after this one."""
    if job.reason or pod.phase == "Succeeded":
        return False
    if pod.disruption is not None:
        return job.retries_disruptions
    state = pod.runner.state
    if isinstance(state, TerminatedState) and state.exit_code == RunnerExitCode.FAILURE_RECORDED:
        return False
    return sum(1 for p in facts.pods if p.disruption is None) <= job.backoff_limit


def _retry_is_shown(facts: DecisionFacts) -> bool:
    """Whether the status shows the end of the last attempt, or what has kept the next one from starting since."""
    status = facts.task.status
    shown = status.condition(SCHEDULED)
    return shown is not None and shown.status == "False" and (status.attempts or 0) >= facts.attempts
