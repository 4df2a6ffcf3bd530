"""A task that was restored from a copy without its status: it is not run, and ends unless its status comes back."""

from __future__ import annotations

from datetime import timedelta

from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.lifecycle import created_at
from mcptasks.model.task import Phase, Reason
from mcptasks_operator.deciding.decision_basis import DecisionBasis
from mcptasks_operator.deciding.decisions import Decision
from mcptasks_operator.deciding.task_ends import NO_PROCESS, end_task

STATUS_SECONDS = 120.0
"""How long whoever restores has to put the status back, which is a second write after the object's. An end cannot be
replaced by another one."""


def restored_task(facts: DecisionBasis) -> Decision:
    """Wait for the status of a task that nobody has claimed since it was restored; then end it."""
    created = created_at(facts.task)
    due = created + timedelta(seconds=STATUS_SECONDS)
    if facts.now < due:
        return Decision(requeue_after=facts.seconds_until(due))
    cause = Diagnosis(
        Reason.RESTORED,
        f"it was restored at {created:%Y-%m-%d %H:%M:%S} UTC, or so it seems: its object is minutes younger than its "
        "call or is marked as restored, and has no status. Whether the tool has run is not known: it is not run again",
        "Call the tool again if it may run again",
    )
    return end_task(facts, Phase.FAILED, cause, terminated=NO_PROCESS)
