"""What ends a task together with its Job: a Job that has finished, or that was deleted."""

from __future__ import annotations

from mcptasks.model.diagnosis import Diagnosis, log_tail
from mcptasks.model.lifecycle import Ending
from mcptasks.model.task import Phase, Reason
from mcptasks_operator.deciding.decision_basis import DecisionBasis
from mcptasks_operator.deciding.decisions import Decision, EndTask, Gather, Notice
from mcptasks_operator.deciding.failures import diagnose_failure
from mcptasks_operator.deciding.gathered_evidence import Need
from mcptasks_operator.deciding.object_facts import JobFacts, PodFacts
from mcptasks_operator.deciding.start_failures import permanent_start_failure

NO_PROCESS = "no process was started"


def end_task(facts: DecisionBasis, phase: Phase, cause: Diagnosis, terminated: str | None = None) -> Decision:
    """End the task in this phase; `terminated` is for the case that certainly no process is left."""
    text, printed = cause.message, log_tail(facts.evidence.log)
    ending = Ending(phase=phase, reason=cause.reason, message=text, exit_code=cause.exit_code, log_tail=printed)
    told = f"{text}\nLast log lines:\n{printed}" if printed else text
    notice = Notice("Warning", cause.reason.value, told) if phase is Phase.FAILED else None
    attempts = facts.attempts if facts.attempts > (facts.task.status.attempts or 0) else None
    return Decision(EndTask(ending, terminated, attempts), notice=notice)


def deleted_job(facts: DecisionBasis, job: JobFacts) -> Decision:
    """The Job is gone, or is being deleted."""
    if job.outcome is not None:
        return finished_job(facts, job)
    return job_gone(facts) if job.gone_at is not None else _cancel_by_deletion(facts)


def job_gone(facts: DecisionBasis) -> Decision:
    """The Job seems to be gone: cancel the task once the API server has confirmed it."""
    return _cancel_by_deletion(facts) if facts.evidence.fresh else Decision(Gather(Need.FRESH))


def _cancel_by_deletion(facts: DecisionBasis) -> Decision:
    return end_task(facts, Phase.CANCELLED, Diagnosis(Reason.JOB_DELETED, "cancelled because its Job was deleted"))


def finished_job(facts: DecisionBasis, job: JobFacts) -> Decision:
    """The Job has finished and no outcome is recorded."""
    if not facts.evidence.fresh:
        return Decision(Gather(Need.FRESH))
    if facts.evidence.log is None and has_log(facts.last_pod):
        return Decision(Gather(Need.LOG))
    cause = diagnose_failure(job, facts.last_pod, facts.policy, facts.attempts)
    return end_task(facts, Phase.FAILED, cause, terminated="the Job has finished")


def has_log(pod: PodFacts | None) -> bool:
    """Whether the Pod's container has had the chance to write a log."""
    return pod is not None and pod.started and permanent_start_failure(pod) is None
