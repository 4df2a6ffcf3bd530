"""Why a task waits, shown in its status."""

from __future__ import annotations

from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.lifecycle import SCHEDULED, created_at
from mcptasks.model.task import Reason
from mcptasks_operator.deciding.decision_basis import DecisionBasis
from mcptasks_operator.deciding.decisions import AdmitTask, Decision, ShowCause
from mcptasks_operator.deciding.object_facts import JobFacts
from mcptasks_operator.deciding.turns import Turn

NOTABLE_SECONDS = 3.0
"""How long a Pod may be on its way before the reason is looked for and shown."""

MAX_RECHECK_SECONDS = 300.0

WAITING_FOR_TURN = "WaitingForTurn"

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


def wait_for_turn(facts: DecisionBasis, turn: Turn) -> Decision:
    """A limit keeps the task from starting. No deadline counts: it starts when others have ended.

    How many are before it is written again whenever that is half of what was written last: a thousand tasks that wait
    would otherwise have a thousand statuses written for each one that ends.
    """
    if turn.may_start:
        return Decision(AdmitTask())
    spent = facts.seconds_since(created_at(facts.task))
    if spent < NOTABLE_SECONDS:
        return Decision(requeue_after=NOTABLE_SECONDS - spent)
    status = facts.task.status
    shown, known = status.condition(SCHEDULED), status.tasks_ahead
    is_shown = shown is not None and shown.status == "False" and shown.reason == WAITING_FOR_TURN
    if is_shown and known is not None and known // 2 < turn.ahead <= known:
        return Decision(requeue_after=min(max(float(turn.ahead), RECHECK_SECONDS), MAX_RECHECK_SECONDS))
    ahead = "it is next" if turn.ahead == 0 else f"{turn.ahead} {'task is' if turn.ahead == 1 else 'tasks are'} ahead"
    message = f"waits its turn: {turn.limit}; {ahead}"
    return Decision(ShowCause(Reason.PENDING, WAITING_FOR_TURN, message, tasks_ahead=turn.ahead))


def show_cause_if_late(
    facts: DecisionBasis, cause: Diagnosis, waited: float, pause: float | None, word: str | None = None
) -> Decision:
    """Show the cause once the task has waited for `waited` seconds that somebody would notice."""
    if waited < NOTABLE_SECONDS:
        return Decision(requeue_after=min(NOTABLE_SECONDS - waited, pause or NOTABLE_SECONDS))
    return show_cause(facts, cause, pause, word)
