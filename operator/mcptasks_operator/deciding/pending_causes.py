"""Why a task waits, shown in its status."""

from __future__ import annotations

from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.lifecycle import SCHEDULED
from mcptasks.model.task import Reason
from mcptasks_operator.deciding.decision_basis import DecisionBasis
from mcptasks_operator.deciding.decisions import Decision, ShowCause
from mcptasks_operator.deciding.object_facts import JobFacts

NOTABLE_SECONDS = 3.0
"""How long a Pod may be on its way before the reason is looked for and shown."""

RECHECK_SECONDS = 15.0
"""How often a Pod that does not start is looked at again."""


def suspended_job(facts: DecisionBasis, job: JobFacts) -> Decision:
    """Kueue holds the Job back: no deadline counts."""
    where = f"queued in {job.queue}" if job.queue else "its Job is suspended"
    cause = Diagnosis(Reason.PENDING, where)
    return show_cause_if_late(facts, cause, facts.seconds_since(job.created_at), None, word="Queued")


def show_cause(facts: DecisionBasis, cause: Diagnosis, pause: float | None, word: str | None = None) -> Decision:
    """Show the cause in the status, once; then look again in `pause` seconds. `word` replaces the reason's name."""
    name = word or cause.reason.value
    shown = facts.task.status.condition(SCHEDULED)
    if shown is not None and shown.status == "False" and shown.reason == name:
        return Decision(requeue_after=pause)
    return Decision(ShowCause(Reason.PENDING, name, cause.message))


def show_cause_if_late(
    facts: DecisionBasis, cause: Diagnosis, waited: float, pause: float | None, word: str | None = None
) -> Decision:
    """Show the cause once the task has waited for `waited` seconds that somebody would notice."""
    if waited < NOTABLE_SECONDS:
        return Decision(requeue_after=min(NOTABLE_SECONDS - waited, pause or NOTABLE_SECONDS))
    return show_cause(facts, cause, pause, word)
