"""Cases of Jobs that have attempts left."""

from __future__ import annotations

from typing import Any

from mcptasks.model.base import JsonObject
from mcptasks.model.task import McpTask, Reason
from mcptasks_operator.deciding.decisions import EndTask, Gather, ShowCause
from mcptasks_operator.deciding.gathered_evidence import Evidence, Need
from mcptasks_operator.deciding.object_facts import Disruption, PodFacts, RunningState, WarningEvent
from tests.unit.operator.builders import TASK, at, condition, exited, make_job, make_pod, make_task
from tests.unit.operator.deciding.cases.case import (
    CLAIMED,
    CLAIMED_TASK,
    FRESH,
    KNOWN,
    NO_EVENTS,
    RETRY_SHOWN,
    Case,
    failed,
    running,
    waits,
)


def retried(retries: int, status: JsonObject | None = None) -> McpTask:
    """A task that has been claimed and may be started again so often."""
    return make_task(spec={"retries": retries}, status=status or CLAIMED)


def idempotent(status: JsonObject | None = None) -> McpTask:
    """A task that has been claimed and whose tool may run twice."""
    return make_task(spec={"idempotent": True}, status=status or CLAIMED)


def removed(number: int = 1, **facts: Any) -> PodFacts:
    """A Pod that was deleted while its process ran, and is gone."""
    return running(number, deletion_due=at(12), gone_at=at(12), **facts)


SILENT = Evidence(fresh=True, log=())
IDEMPOTENT = idempotent()
QUEUED = {**CLAIMED, "reason": "Pending", "conditions": [condition("Scheduled", "False", "Queued")]}

CASES = [
    Case(
        "a retry is shown with its number",
        ShowCause,
        retried(2),
        make_job(backoff_limit=2),
        [failed(1, 3)],
        reason=Reason.RETRYING,
        says="attempt 1 of at most 3 failed (ExitCode): the process ended with exit code 3",
    ),
    Case("once per attempt", None, retried(2, RETRY_SHOWN), make_job(backoff_limit=2), [failed(1, 3)], requeue=3.0),
    Case(
        "the next attempt's failure is shown again",
        ShowCause,
        retried(2, RETRY_SHOWN),
        make_job(backoff_limit=2),
        [failed(1, 3), failed(2, 4)],
        says="attempt 2 of at most 3",
    ),
    Case(
        "an attempt that died before it claimed the task counts",
        ShowCause,
        make_task(spec={"retries": 1}),
        make_job(backoff_limit=1),
        [failed(1, 3)],
        says="attempt 1 of at most 2",
    ),
    Case(
        "the last attempt is not retried",
        None,
        make_task(status=RETRY_SHOWN),
        make_job(backoff_limit=1),
        [failed(1, 3), failed(2, 3)],
        requeue=15,
    ),
    Case("exit code 65 is not retried", None, CLAIMED_TASK, make_job(backoff_limit=2), [failed(1, 65)], requeue=15),
    Case(
        "a disruption is not a retry",
        None,
        CLAIMED_TASK,
        make_job(backoff_limit=2),
        [failed(1, 143, disruption=Disruption("EvictionByEvictionAPI"))],
        requeue=15,
    ),
    Case(
        "but it is for an idempotent tool, even without retries",
        ShowCause,
        IDEMPOTENT,
        make_job(retries_disruptions=True),
        [failed(1, 143, disruption=Disruption("EvictionByEvictionAPI"))],
        reason=Reason.RETRYING,
    ),
    Case(
        "the start deadline of a retry counts from its Pod",
        None,
        retried(2, RETRY_SHOWN),
        make_job(backoff_limit=2),
        [failed(1, 3), make_pod(2, created_at=at(400))],
        now=401,
        requeue=2.0,
    ),
    Case(
        "a retry that gets no Pod ends the task in time",
        EndTask,
        retried(2, RETRY_SHOWN),
        make_job(backoff_limit=2),
        [failed(1, 3)],
        now=10 + 10 + 301,
        evidence=NO_EVENTS,
        reason=Reason.START_DEADLINE_EXCEEDED,
    ),
    Case(
        "what keeps a retry from starting replaces the word of the retry",
        ShowCause,
        retried(2, RETRY_SHOWN),
        make_job(backoff_limit=2),
        [failed(1, 3)],
        now=40,
        evidence=Evidence(warnings=(WarningEvent("FailedCreate", "exceeded quota"),)),
        reason=Reason.PENDING,
    ),
    Case(
        "and is then left standing",
        None,
        retried(
            2,
            {
                **RETRY_SHOWN,
                "reason": "Pending",
                "conditions": [condition("Scheduled", "False", "QuotaExceeded")],
            },
        ),
        make_job(backoff_limit=2),
        [failed(1, 3)],
        now=40,
        evidence=Evidence(warnings=(WarningEvent("FailedCreate", "exceeded quota"),)),
        requeue=15,
    ),
    Case(
        "Pods that went before this operator came: the wait counts from its start",
        None,
        retried(1),
        make_job(backoff_limit=1),
        now=5000,
        evidence=Evidence(watching_since=at(4999)),
        requeue=2.0,
    ),
    Case(
        "a suspended Job's process may still deliver its outcome in its grace period",
        None,
        CLAIMED_TASK,
        make_job(suspended=True),
        [running(deletion_due=at(25))],
        requeue=35,
    ),
    Case(
        "the process has ended, and its Pod is about to go",
        None,
        CLAIMED_TASK,
        make_job(suspended=True),
        [failed(1, 143, deletion_due=at(40))],
        requeue=15,
    ),
    Case(
        "a process that answers SIGTERM with exit code 0 has delivered nothing either",
        EndTask,
        CLAIMED_TASK,
        make_job(suspended=True),
        [make_pod(1, exited(0), deletion_due=at(40), gone_at=at(15))],
        evidence=SILENT,
        reason=Reason.PREEMPTED,
    ),
    Case(
        "one that a finalizer keeps is not waited for for ever",
        EndTask,
        CLAIMED_TASK,
        make_job(suspended=True),
        [failed(1, 143, deletion_due=at(40))],
        now=71,
        evidence=SILENT,
        reason=Reason.PREEMPTED,
    ),
    Case(
        "that the Pod is gone is checked before the task ends",
        Gather,
        CLAIMED_TASK,
        make_job(suspended=True),
        [removed()],
        need=Need.FRESH,
    ),
    Case(
        "a suspended Job ends a task whose tool must not run twice",
        EndTask,
        CLAIMED_TASK,
        make_job(suspended=True, queue="research"),
        [removed()],
        evidence=SILENT,
        reason=Reason.PREEMPTED,
        says=f"{TASK}-1 was taken away while it ran the tool, because its Job was suspended (queue research).",
    ),
    Case(
        "so does one whose Pods this operator never saw",
        EndTask,
        make_task(status={**CLAIMED, "podName": "unseen"}),
        make_job(suspended=True),
        evidence=FRESH,
        reason=Reason.PREEMPTED,
        says="Pod unseen was taken away while it ran the tool, because its Job was suspended. It may",
    ),
    Case(
        "and one that was resumed meanwhile, before it has another Pod",
        EndTask,
        CLAIMED_TASK,
        make_job(started_at=at(15)),
        [removed()],
        evidence=SILENT,
        reason=Reason.PREEMPTED,
        says="was taken away while it ran the tool: it was deleted, or its Job was suspended",
    ),
    *(
        Case(
            f"and after it: {state}",
            EndTask,
            CLAIMED_TASK,
            make_job(started_at=at(15)),
            [removed(), second],
            evidence=FRESH,
            reason=Reason.PREEMPTED,
        )
        for state, second in (
            ("the Pod waits", make_pod(2, created_at=at(16))),
            ("the Pod runs", make_pod(2, RunningState(at(18)), created_at=at(16))),
        )
    ),
    Case(
        "a template that forbids it ends the task of an idempotent tool too",
        EndTask,
        IDEMPOTENT,
        make_job(suspended=True),
        [removed()],
        evidence=SILENT,
        reason=Reason.PREEMPTED,
    ),
    Case(
        "a Job that says otherwise does not make a tool idempotent",
        EndTask,
        CLAIMED_TASK,
        make_job(suspended=True, retries_disruptions=True),
        [removed()],
        evidence=SILENT,
        reason=Reason.PREEMPTED,
    ),
    Case(
        "an idempotent tool waits until its Job is resumed",
        ShowCause,
        IDEMPOTENT,
        make_job(suspended=True, retries_disruptions=True, queue="research"),
        [removed()],
        reason=Reason.PENDING,
        says="queued in research",
    ),
    Case(
        "for as long as it takes",
        None,
        idempotent(QUEUED),
        make_job(suspended=True, retries_disruptions=True),
        [removed()],
        now=50_000,
    ),
    Case(
        "and has the whole start deadline from then on",
        None,
        idempotent(QUEUED),
        make_job(retries_disruptions=True, started_at=at(49_999)),
        [removed()],
        now=50_000,
        requeue=2.0,
    ),
    Case(
        "its next Pod starts as any other",
        None,
        idempotent(QUEUED),
        make_job(retries_disruptions=True, started_at=at(49_998)),
        [removed(), make_pod(2, created_at=at(49_999))],
        now=50_000,
        requeue=2.0,
    ),
    Case(
        "a retry makes up for a Pod that was taken away",
        ShowCause,
        retried(1),
        make_job(suspended=True, backoff_limit=1),
        [removed()],
        reason=Reason.PENDING,
        says="its Job is suspended",
    ),
    Case(
        "but only as often as is allowed",
        EndTask,
        retried(1, {**CLAIMED, "retriesUsed": 1}),
        make_job(suspended=True, backoff_limit=1),
        [removed()],
        evidence=SILENT,
        reason=Reason.PREEMPTED,
    ),
    Case(
        "a Pod that was taken away before it claimed the task counts for nothing",
        None,
        make_task(),
        make_job(started_at=at(19)),
        [waits("ContainerCreating", deletion_due=at(12), gone_at=at(12))],
        requeue=5.0,
    ),
    Case(
        "a Job that was suspended before any process claimed the task waits",
        ShowCause,
        make_task(),
        make_job(suspended=True),
        [removed()],
        says="its Job is suspended",
    ),
    Case(
        "a raised backoffLimit allows no other attempt: fresh facts first",
        Gather,
        CLAIMED_TASK,
        make_job(backoff_limit=3),
        [failed(1, 3)],
        need=Need.FRESH,
    ),
    Case(
        "then the log",
        Gather,
        CLAIMED_TASK,
        make_job(backoff_limit=3),
        [failed(1, 3)],
        evidence=FRESH,
        need=Need.LOG,
    ),
    Case(
        "then the task ends for its own reason",
        EndTask,
        CLAIMED_TASK,
        make_job(backoff_limit=3),
        [failed(1, 3)],
        evidence=KNOWN,
        reason=Reason.EXIT_CODE,
        says="last words",
    ),
    Case(
        "also while the Job has another Pod already",
        EndTask,
        CLAIMED_TASK,
        make_job(backoff_limit=3),
        [failed(1, 3), make_pod(2, created_at=at(20))],
        evidence=FRESH,
        reason=Reason.EXIT_CODE,
    ),
    Case(
        "a Job that fails by itself ends the task with all that is known then",
        None,
        CLAIMED_TASK,
        make_job(),
        [failed(1, 3)],
        requeue=15,
    ),
    Case(
        "a deleted Pod that the Job counts makes no difference",
        None,
        CLAIMED_TASK,
        make_job(reason="BackoffLimitExceeded"),
        [failed(1, 143, deletion_due=at(12), gone_at=at(12))],
        requeue=15,
    ),
    Case(
        "a Job made again for a claimed task gets no process",
        EndTask,
        CLAIMED_TASK,
        make_job(uid="another", created_at=at(15), started_at=at(15)),
        [removed(), make_pod(2, created_at=at(16))],
        evidence=FRESH,
        reason=Reason.PREEMPTED,
    ),
]
