"""A Pod that has not started: what keeps it, and for how long that may go on."""

from __future__ import annotations

from datetime import datetime, timedelta

from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.task import Phase
from mcptasks_operator.deciding.decision_basis import DecisionBasis
from mcptasks_operator.deciding.decisions import Decision, Gather
from mcptasks_operator.deciding.gathered_evidence import Need
from mcptasks_operator.deciding.object_facts import JobFacts, PodFacts
from mcptasks_operator.deciding.pending_causes import NOTABLE_SECONDS, RECHECK_SECONDS, show_cause
from mcptasks_operator.deciding.start_failures import (
    diagnose_events,
    diagnose_waiting,
    node_on_its_way,
    permanent_refusal,
    permanent_start_failure,
    start_deadline_exceeded,
)
from mcptasks_operator.deciding.task_ends import end_task


def without_pod(facts: DecisionBasis, expected_at: datetime) -> Decision:
    """The Job controller has not made the Pod that it should have made by `expected_at`."""
    watching_since = facts.evidence.watching_since
    if facts.task.status.job_name is not None and watching_since is not None:
        # The Pods that claimed the task were gone before this operator looked: it counts from then on.
        expected_at = max(expected_at, watching_since)
    return _not_started(facts, None, expected_at)


def starting_pod(facts: DecisionBasis, job: JobFacts, pod: PodFacts) -> Decision:
    """The Pod is there and its process has not started."""
    if (cause := permanent_start_failure(pod)) is not None:
        return end_task(facts, Phase.FAILED, cause)
    return _not_started(facts, pod, pod.created_at if len(facts.pods) > 1 else job.start)


def _not_started(facts: DecisionBasis, pod: PodFacts | None, waiting_since: datetime) -> Decision:
    """Wait for the Pod, show what keeps it, and end the task at the start deadline.

    The deadline starts again at the moment at which the Pod gets a node, or an autoscaler adds one for it.
    """
    scheduled_at = pod.scheduled_at if pod is not None else None
    counts_from = scheduled_at or facts.start_counts_from(waiting_since)
    waited = facts.seconds_since(waiting_since)
    if waited < NOTABLE_SECONDS and facts.now < _deadline(facts, counts_from):
        return Decision(requeue_after=min(NOTABLE_SECONDS - waited, facts.seconds_until(_deadline(facts, counts_from))))
    if pod is not None and pod.unschedulable is not None:
        return _without_node(facts, pod, counts_from)
    cause = diagnose_waiting(pod) if pod is not None else None
    if cause is None:
        if facts.evidence.warnings is None:
            return Decision(Gather(Need.EVENTS))
        # Events have whole seconds.
        since = waiting_since - timedelta(seconds=1)
        never = permanent_refusal(facts.evidence.warnings, since) if pod is None else None
        if never is not None:
            return end_task(facts, Phase.FAILED, never)
        cause = diagnose_events(facts.evidence.warnings)
    return _wait_for(facts, cause, _deadline(facts, counts_from))


def _without_node(facts: DecisionBasis, pod: PodFacts, counts_from: datetime) -> Decision:
    if facts.evidence.scale_ups is None:
        return Decision(Gather(Need.SCALE_UPS))
    scale_up = next(iter(facts.evidence.scale_ups), None)
    if scale_up is not None and facts.now < (deadline := _deadline(facts, max(counts_from, scale_up.last_seen))):
        return _wait_for(facts, node_on_its_way(pod, scale_up), deadline, word=scale_up.reason)
    return _wait_for(facts, diagnose_waiting(pod), _deadline(facts, counts_from))


def _deadline(facts: DecisionBasis, counts_from: datetime) -> datetime:
    return counts_from + timedelta(seconds=facts.policy.start.seconds)


def _wait_for(facts: DecisionBasis, cause: Diagnosis | None, deadline: datetime, word: str | None = None) -> Decision:
    """Show the cause until the deadline. `word` replaces its reason's name."""
    if facts.now >= deadline:
        return end_task(facts, Phase.FAILED, start_deadline_exceeded(facts.policy.start, cause))
    pause = min(RECHECK_SECONDS, facts.seconds_until(deadline))
    return show_cause(facts, cause, pause, word) if cause is not None else Decision(requeue_after=pause)
