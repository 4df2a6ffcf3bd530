"""Whether another attempt may follow one that has ended without an outcome: by the task's own rules, and nothing else.

The operator writes these rules into the Job (`backoffLimit`, `podFailurePolicy`). There can be a second Pod for other
reasons too: the Job was suspended and resumed, its `backoffLimit` was edited, it was deleted and made again. So the
gateway asks here before a Pod gets the task, and the operator before it lets a task wait for another Pod.
"""

from __future__ import annotations

from enum import Enum, auto

from mcptasks.model.task import McpTask

PREEMPTED_HINT = (
    "It may have done part of its work: call the tool again if that does no harm. Tools marked idempotent are run "
    "again without asking, unless their template's disruptionPolicy is Fail"
)
"""What to do about a task whose process was taken away."""


class AttemptEnd(Enum):
    """How an attempt ended without an outcome."""

    CRASHED = auto()
    """Its process ended by itself."""

    DISRUPTED = auto()
    """The cluster took its Pod away, and says so: eviction, preemption by the scheduler, loss of the node."""

    REMOVED = auto()
    """Its Pod was deleted, or is gone: the Job was suspended, as Kueue does to preempt it, or somebody deleted it."""


class NextAttempt(Enum):
    """What another attempt would be."""

    FREE = auto()
    """Allowed, and it uses up no retry."""

    RETRY = auto()
    """Allowed, and it uses up a retry."""

    REFUSED = auto()
    """Not allowed: the task ends."""


def next_attempt(task: McpTask, end: AttemptEnd, *, retries_disruptions: bool) -> NextAttempt:
    """Whether another attempt may follow one of the task that ended like this.

    `retries_disruptions` is what the task's template says of disruptions. A tool that is not idempotent is never run
    again after a disruption, whatever its retries: the Job's `podFailurePolicy` says the same.
    """
    if end is not AttemptEnd.CRASHED and task.spec.idempotent and retries_disruptions:
        return NextAttempt.FREE
    if end is AttemptEnd.DISRUPTED or (task.status.retries_used or 0) >= task.spec.retries:
        return NextAttempt.REFUSED
    return NextAttempt.RETRY
