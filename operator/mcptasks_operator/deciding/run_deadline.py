"""A Pod that runs: how long it may run, and when its node counts as lost."""

from __future__ import annotations

from datetime import timedelta

from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.questions import answers_due, timed_out, waited
from mcptasks.model.task import Phase
from mcptasks_operator.deciding.decision_basis import DecisionBasis
from mcptasks_operator.deciding.decisions import Decision
from mcptasks_operator.deciding.failures import deadline_exceeded, node_lost
from mcptasks_operator.deciding.object_facts import JobFacts, PodFacts
from mcptasks_operator.deciding.task_ends import end_task

OVERDUE_SECONDS = 30.0
"""How long after its grace period a Pod may take to go away before its node counts as lost."""

DEADLINE_SLACK_SECONDS = 60.0
"""How long the kubelet has to report a run deadline before its node counts as lost."""

ANSWER_SLACK_SECONDS = 30.0
"""How long the gateway has to end a task that nobody has answered in time, before the operator does."""


def running_pod(facts: DecisionBasis, job: JobFacts, pod: PodFacts) -> Decision:
    """The Pod's process runs. The kubelet enforces the run deadline, and the operator checks that it does."""
    if pod.deletion_due is not None and not job.retries_disruptions:
        overdue = pod.deletion_due + timedelta(seconds=OVERDUE_SECONDS)
        if facts.now >= overdue:
            return end_task(facts, Phase.FAILED, node_lost(pod, "it does not end the Pod"))
        return Decision(requeue_after=facts.seconds_until(overdue))
    if facts.task.spec.input_timeout_seconds:
        return _pod_with_questions(facts, pod)
    return _kubelet_deadline(facts, pod)


def _pod_with_questions(facts: DecisionBasis, pod: PodFacts) -> Decision:
    """The deadline of a Pod that may ask questions includes the time it waits for answers: run time is limited here.

    The gateway ends a task that nobody answers; the operator does so only if no gateway has.
    """
    kubelet = _kubelet_deadline(facts, pod)
    if kubelet.step is not None:
        return kubelet
    due = answers_due(facts.task)
    if due is not None:
        late = due + timedelta(seconds=ANSWER_SLACK_SECONDS)
        if facts.now < late:
            return _sooner(kubelet, facts.seconds_until(late))
        ending = timed_out(facts.task)
        return end_task(facts, Phase.FAILED, Diagnosis(ending.reason, ending.message))
    limit = facts.policy.run
    deadline = (pod.started_at or pod.created_at) + timedelta(seconds=limit.seconds) + waited(facts.task, facts.now)
    if facts.now < deadline:
        return _sooner(kubelet, facts.seconds_until(deadline))
    return end_task(facts, Phase.FAILED, deadline_exceeded(limit))


def _sooner(decision: Decision, wait: float) -> Decision:
    return Decision(requeue_after=min(wait, decision.requeue_after or wait))


def _kubelet_deadline(facts: DecisionBasis, pod: PodFacts) -> Decision:
    """The kubelet ends the Pod at its `activeDeadlineSeconds`; one that does not is lost."""
    limit = pod.timeout_seconds
    if limit is None:
        return Decision()
    silent = (pod.started_at or pod.created_at) + timedelta(seconds=limit + pod.grace_seconds + DEADLINE_SLACK_SECONDS)
    if facts.now < silent:
        return Decision(requeue_after=facts.seconds_until(silent))
    return end_task(facts, Phase.FAILED, node_lost(pod, f"it has not ended the Pod at its deadline of {limit} s"))
