"""Before there is a Job of the task: its template, and what keeps the Job from being created."""

from __future__ import annotations

from datetime import timedelta

from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.lifecycle import created_at
from mcptasks.model.task import Phase, Reason
from mcptasks_operator.deciding.decision_basis import DecisionBasis
from mcptasks_operator.deciding.decisions import CreateJob, Decision, Gather, Notice
from mcptasks_operator.deciding.gathered_evidence import JobRefusal, Need, RefusalKind, TemplateState
from mcptasks_operator.deciding.object_facts import JobFacts
from mcptasks_operator.deciding.pending_causes import RECHECK_SECONDS, show_cause, show_cause_if_late
from mcptasks_operator.deciding.start_failures import pod_refused, start_deadline_exceeded
from mcptasks_operator.deciding.task_ends import NO_PROCESS, end_task, job_gone


def without_job(facts: DecisionBasis) -> Decision:
    """Create the Job, unless the task has had one, or its template or the API server forbids it."""
    if facts.task.status.job_name is not None and not facts.given_up:
        return job_gone(facts)
    if facts.evidence.template is TemplateState.UNKNOWN:
        return Decision(Gather(Need.TEMPLATE))
    if facts.evidence.template is TemplateState.MISSING:
        return end_task(facts, Phase.FAILED, template_not_found(facts), terminated=NO_PROCESS)
    if facts.evidence.refusal is not None:
        return _job_refused(facts, facts.evidence.refusal)
    created = Notice("Normal", "JobCreated", f"created Job {facts.task.name}")
    return Decision(CreateJob(), notice=created)


def template_not_found(facts: DecisionBasis) -> Diagnosis:
    """The task names a template that does not exist."""
    name, namespace = facts.task.spec.template_ref.name, facts.task.namespace
    there = ", ".join(facts.evidence.templates) or "none"
    return Diagnosis(
        Reason.TEMPLATE_NOT_FOUND,
        f"McpTaskTemplate {name} does not exist in namespace {namespace} (there: {there})",
        "Create it, or name one that exists, and call the tool again",
    )


def _job_refused(facts: DecisionBasis, refusal: JobRefusal) -> Decision:
    if refusal.kind is RefusalKind.INVALID:
        cause = Diagnosis(
            Reason.INVALID_TEMPLATE,
            f"McpTaskTemplate {facts.policy.template} makes no valid Job: {refusal.message}",
            "Correct the template",
        )
        return end_task(facts, Phase.FAILED, cause, terminated=NO_PROCESS)
    cause = pod_refused(refusal.message)
    since = facts.may_start_since
    deadline = facts.start_counts_from(since) + timedelta(seconds=facts.policy.start.seconds)
    if cause.permanent:
        return end_task(facts, Phase.FAILED, cause, terminated=NO_PROCESS)
    if facts.now >= deadline:
        late = start_deadline_exceeded(facts.policy.start, cause)
        return end_task(facts, Phase.FAILED, late, terminated=NO_PROCESS)
    pause = min(max(facts.seconds_since(since) / 2, 1.0), RECHECK_SECONDS, facts.seconds_until(deadline))
    return show_cause(facts, cause, pause)


def foreign_job(facts: DecisionBasis, job: JobFacts) -> Decision:
    """A Job that belongs to somebody else has the task's name. One of an earlier task of that name will go."""
    owner = job.owner
    if owner is not None and owner.kind == "McpTask" and owner.name == facts.task.name:
        deadline = created_at(facts.task) + timedelta(seconds=facts.policy.start.seconds)
        if facts.now < deadline:
            conflict = Diagnosis(
                Reason.NAME_CONFLICT, "waiting until the Job of a deleted task of the same name is gone"
            )
            return show_cause_if_late(facts, conflict, facts.seconds_since(created_at(facts.task)), 1.0)
    if not facts.evidence.fresh:
        return Decision(Gather(Need.FRESH))
    owned = f"belongs to {owner.kind} {owner.name}" if owner else "belongs to nobody"
    cause = Diagnosis(
        Reason.NAME_CONFLICT,
        f"Job {job.name} exists already and {owned}",
        "Delete that Job, or call the tool again",
    )
    return end_task(facts, Phase.FAILED, cause, terminated=NO_PROCESS)
