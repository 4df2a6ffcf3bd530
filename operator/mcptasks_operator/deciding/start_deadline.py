"""A Pod that has not started: what keeps it, and for how long that may go on."""

from __future__ import annotations

from datetime import datetime, timedelta

from mcptasks.model.task import Phase
from mcptasks_operator.deciding.decision_facts import DecisionFacts
from mcptasks_operator.deciding.decisions import Decision, Gather
from mcptasks_operator.deciding.evidence import Need
from mcptasks_operator.deciding.facts import JobFacts, PodFacts
from mcptasks_operator.deciding.start_failures import (
    diagnose_events,
    diagnose_waiting,
    permanent_start_failure,
    start_deadline_exceeded,
)
from mcptasks_operator.deciding.task_ends import end_task
from mcptasks_operator.deciding.waits import NOTABLE_SECONDS, RECHECK_SECONDS, show_cause


def without_pod(facts: DecisionFacts, expected_at: datetime) -> Decision:
    """The Job controller has not made the Pod that it should have made by `expected_at`."""
    watching_since = facts.evidence.watching_since
    if facts.task.status.job_name is not None and watching_since is not None:
        # The Pods that claimed the task were gone before this operator looked: it counts from then on.
        expected_at = max(expected_at, watching_since)
    return _not_started(facts, None, expected_at)


def starting_pod(facts: DecisionFacts, job: JobFacts, pod: PodFacts) -> Decision:
    """The Pod is there and its process has not started."""
    if (cause := permanent_start_failure(pod)) is not None:
        return end_task(facts, Phase.FAILED, cause)
    return _not_started(facts, pod, pod.created_at if len(facts.pods) > 1 else job.start)


def _not_started(facts: DecisionFacts, pod: PodFacts | None, waiting_since: datetime) -> Decision:
    """Wait for the Pod, show what keeps it, and end the task at the start deadline.

    The deadline starts again at the moment at which the Pod gets a node.
    """
    scheduled_at = pod.scheduled_at if pod is not None else None
    deadline = (scheduled_at or facts.start_counts_from(waiting_since)) + timedelta(seconds=facts.policy.start.seconds)
    waited = facts.seconds_since(waiting_since)
    if waited < NOTABLE_SECONDS and facts.now < deadline:
        return Decision(requeue_after=min(NOTABLE_SECONDS - waited, facts.seconds_until(deadline)))
    cause = diagnose_waiting(pod) if pod is not None else None
    if cause is None:
        if facts.evidence.warnings is None:
            return Decision(Gather(Need.EVENTS))
        cause = diagnose_events(facts.evidence.warnings)
    if facts.now >= deadline:
        return end_task(facts, Phase.FAILED, start_deadline_exceeded(facts.policy.start, cause))
    pause = min(RECHECK_SECONDS, facts.seconds_until(deadline))
    return show_cause(facts, cause, pause) if cause is not None else Decision(requeue_after=pause)
