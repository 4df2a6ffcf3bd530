"""Cases of tasks that are cancelled, or that end with their Job."""

from __future__ import annotations

from dataclasses import replace

from mcptasks.model.task import Phase, Reason
from mcptasks_operator.deciding.decisions import CreateJob, EndTask, Gather, MarkTerminated, SetJobTtl
from mcptasks_operator.deciding.gathered_evidence import Need
from tests.unit.operator.builders import TERMINATED, at, ended_status, exited, make_job, make_pod, make_task
from tests.unit.operator.deciding.cases.case import (
    CANCELLING,
    CLAIMED_TASK,
    COMPLETE_JOB,
    ENDED,
    FAILED_JOB,
    FRESH,
    GONE_JOB,
    KNOWN,
    Case,
    failed,
    running,
)

CANCELS = [
    Case(
        "spec.cancel ends a task without a Job",
        EndTask,
        CANCELLING,
        phase=Phase.CANCELLED,
        reason=Reason.CANCELLED_BY_SPEC,
    ),
    Case(
        "spec.cancel ends a running task", EndTask, CANCELLING, make_job(), [running()], reason=Reason.CANCELLED_BY_SPEC
    ),
    Case(
        "spec.cancel wins over a failed Job",
        EndTask,
        CANCELLING,
        FAILED_JOB,
        [failed()],
        reason=Reason.CANCELLED_BY_SPEC,
    ),
    Case(
        "spec.cancel changes nothing of a completed task",
        SetJobTtl,
        make_task(spec={"cancel": True}, status=ended_status("completed", conditions=TERMINATED)),
        COMPLETE_JOB,
    ),
    Case("a Job that seems gone is looked for first", Gather, CLAIMED_TASK, need=Need.FRESH),
    Case(
        "a Job that is gone cancels a claimed task",
        EndTask,
        CLAIMED_TASK,
        evidence=FRESH,
        phase=Phase.CANCELLED,
        reason=Reason.JOB_DELETED,
    ),
    Case("a tombstone is verified", Gather, make_task(), GONE_JOB, need=Need.FRESH),
    Case(
        "a tombstone cancels a task that nobody had claimed",
        EndTask,
        make_task(),
        GONE_JOB,
        evidence=FRESH,
        reason=Reason.JOB_DELETED,
    ),
    Case(
        "a Job that is being deleted cancels the task at once",
        EndTask,
        CLAIMED_TASK,
        make_job(deleting=True),
        [running()],
        reason=Reason.JOB_DELETED,
    ),
    Case(
        "a failed Job that was deleted still tells why",
        EndTask,
        CLAIMED_TASK,
        replace(FAILED_JOB, gone_at=at(15)),
        [failed(code=3, gone_at=at(15))],
        evidence=KNOWN,
        phase=Phase.FAILED,
        reason=Reason.EXIT_CODE,
    ),
    Case("a Job that was never claimed and left no trace is made again", CreateJob, make_task()),
]

FINISHED_JOBS = [
    Case(
        "a finished Job is verified: the outcome may be on its way",
        Gather,
        CLAIMED_TASK,
        FAILED_JOB,
        [failed()],
        need=Need.FRESH,
    ),
    Case("its log is read", Gather, CLAIMED_TASK, FAILED_JOB, [failed()], evidence=FRESH, need=Need.LOG),
    Case(
        "an exit code",
        EndTask,
        CLAIMED_TASK,
        FAILED_JOB,
        [failed(code=3)],
        evidence=KNOWN,
        reason=Reason.EXIT_CODE,
        says="exit code 3",
    ),
    Case(
        "a missing result",
        EndTask,
        CLAIMED_TASK,
        COMPLETE_JOB,
        [make_pod(1, exited(0, "Completed"))],
        evidence=KNOWN,
        reason=Reason.RESULT_MISSING,
    ),
    Case(
        "the last attempt counts",
        EndTask,
        CLAIMED_TASK,
        FAILED_JOB,
        [failed(1, 3), failed(2, 137, "OOMKilled")],
        evidence=KNOWN,
        reason=Reason.OOM_KILLED,
        says="(attempt 2, the last one)",
    ),
    Case(
        "without any Pod the Job's words must do",
        EndTask,
        CLAIMED_TASK,
        FAILED_JOB,
        evidence=FRESH,
        reason=Reason.RESULT_MISSING,
        says="BackoffLimitExceeded",
    ),
    Case(
        "a Job that failed by a disruption and whose Pod is gone",
        EndTask,
        CLAIMED_TASK,
        make_job(
            done="Failed",
            finished=12,
            reason="PodFailurePolicy",
            message="Pod default/x has condition DisruptionTarget matching FailJob rule at index 1",
        ),
        evidence=FRESH,
        reason=Reason.EVICTED,
    ),
    Case(
        "a Job that is about to fail is waited for",
        None,
        CLAIMED_TASK,
        make_job(reason="BackoffLimitExceeded"),
        [failed()],
        requeue=15,
    ),
    Case(
        "a Pod that succeeded makes the Job complete",
        None,
        CLAIMED_TASK,
        make_job(),
        [make_pod(1, exited(0, "Completed"))],
        requeue=15,
    ),
    Case("an outcome that is there needs nothing of all that", MarkTerminated, ENDED["failed"], FAILED_JOB, [failed()]),
]

CASES = [*CANCELS, *FINISHED_JOBS]
