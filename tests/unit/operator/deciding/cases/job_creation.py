"""Cases of tasks that have no Job of their own yet."""

from __future__ import annotations

from mcptasks.model.task import Reason
from mcptasks_operator.deciding.decisions import CreateJob, EndTask, Gather, MarkTerminated, ShowCause
from mcptasks_operator.deciding.gathered_evidence import Evidence, JobRefusal, Need, RefusalKind, TemplateState
from tests.unit.operator.builders import condition, make_job, make_task
from tests.unit.operator.deciding.cases.case import CLAIMED, ENDED, FOREIGN_JOB, FRESH, OLD_JOB, Case, running

BEFORE_THE_JOB = [
    Case("a new task gets its Job", CreateJob),
    Case(
        "input is asked for, the Job is there, nothing to do",
        None,
        make_task(status={**CLAIMED, "phase": "input_required"}),
        make_job(),
        [running()],
    ),
    Case(
        "a template that the cache lacks is looked up",
        Gather,
        evidence=Evidence(template=TemplateState.UNKNOWN),
        need=Need.TEMPLATE,
    ),
    Case(
        "an unknown template ends the task",
        EndTask,
        evidence=Evidence(template=TemplateState.MISSING, templates=("gpu",)),
        reason=Reason.TEMPLATE_NOT_FOUND,
        says="default does not exist in namespace default (there: gpu)",
    ),
    Case(
        "a template that makes no valid Job ends the task",
        EndTask,
        evidence=Evidence(refusal=JobRefusal(RefusalKind.INVALID, "spec.x: bad")),
        reason=Reason.INVALID_TEMPLATE,
        says="spec.x: bad",
    ),
    Case(
        "a quota on Jobs is shown",
        ShowCause,
        evidence=Evidence(refusal=JobRefusal(RefusalKind.FORBIDDEN, "exceeded quota: q")),
        reason=Reason.PENDING,
        says="exceeded quota: q",
    ),
    Case(
        "a quota that is shown is only waited for",
        None,
        make_task(status={"conditions": [condition("Scheduled", "False", "QuotaExceeded")]}),
        evidence=Evidence(refusal=JobRefusal(RefusalKind.FORBIDDEN, "exceeded quota: q")),
        requeue=10,
    ),
    Case(
        "a quota beyond the start deadline ends the task",
        EndTask,
        now=301,
        evidence=Evidence(refusal=JobRefusal(RefusalKind.FORBIDDEN, "exceeded quota: q")),
        reason=Reason.QUOTA_EXCEEDED,
    ),
    Case(
        "a policy that refuses the Job beyond the start deadline ends the task",
        EndTask,
        now=301,
        evidence=Evidence(refusal=JobRefusal(RefusalKind.FORBIDDEN, "denied by policy")),
        reason=Reason.POD_REJECTED,
    ),
    Case("a task that waited long while no operator was there still gets its Job", CreateJob, now=5000),
    Case(
        "a task that is being deleted is left to the garbage collector",
        None,
        make_task(metadata={"deletionTimestamp": "2026-11-22T12:00:05Z"}),
    ),
]

FOREIGN_JOBS = [
    Case("somebody else's Job is verified", Gather, make_task(), FOREIGN_JOB, need=Need.FRESH),
    Case(
        "somebody else's Job ends the task",
        EndTask,
        make_task(),
        FOREIGN_JOB,
        evidence=FRESH,
        reason=Reason.NAME_CONFLICT,
        says="belongs to CronJob nightly",
    ),
    Case(
        "a Job of nobody ends the task",
        EndTask,
        make_task(),
        make_job(owner=None),
        evidence=FRESH,
        reason=Reason.NAME_CONFLICT,
        says="belongs to nobody",
    ),
    Case("the Job of an earlier task of the name is waited for", None, make_task(), OLD_JOB, now=1, requeue=1.0),
    Case("the wait for it is shown", ShowCause, make_task(), OLD_JOB, now=5, reason=Reason.PENDING),
    Case(
        "it is not waited for for ever",
        EndTask,
        make_task(),
        OLD_JOB,
        now=301,
        evidence=FRESH,
        reason=Reason.NAME_CONFLICT,
    ),
    Case(
        "somebody else's Job is not deleted with the task",
        MarkTerminated,
        ENDED["cancelled"],
        FOREIGN_JOB,
        evidence=FRESH,
    ),
]

CASES = [*BEFORE_THE_JOB, *FOREIGN_JOBS]
