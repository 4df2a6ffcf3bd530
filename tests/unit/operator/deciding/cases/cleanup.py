"""Cases of tasks that have ended."""

from __future__ import annotations

from mcptasks_operator.deciding.decisions import DeleteJob, DeletePods, DeleteTask, Gather, MarkTerminated, SetJobTtl
from mcptasks_operator.deciding.gathered_evidence import Need
from tests.unit.operator.builders import at, ended_status, make_job, make_task
from tests.unit.operator.deciding.cases.case import (
    COMPLETE_JOB,
    ENDED,
    FAILED_JOB,
    FRESH,
    MARKED,
    Case,
    failed,
    running,
    waits,
)

CASES = [
    Case(
        "the Job of a cancelled task is deleted at once", DeleteJob, ENDED["cancelled"], make_job(), [running()], now=10
    ),
    Case(
        "the Job of a task that was preempted is deleted at once: it may be resumed",
        DeleteJob,
        make_task(status=ended_status("failed", reason="Preempted")),
        make_job(suspended=True),
        now=11,
    ),
    Case(
        "one whose backoffLimit was raised is deleted before it makes another Pod",
        DeleteJob,
        ENDED["failed"],
        make_job(backoff_limit=3),
        [failed(1, 3)],
        now=11,
    ),
    Case(
        "one that fails by itself is left alone",
        None,
        ENDED["failed"],
        make_job(),
        [failed(1, 3)],
        now=11,
        requeue=119.0,
    ),
    Case("one that has finished, too", DeleteJob, MARKED["cancelled"], COMPLETE_JOB),
    Case(
        "Pods are waited for",
        None,
        ENDED["cancelled"],
        make_job(gone_at=at(11)),
        [running(deletion_due=at(40))],
        now=12,
        requeue=15,
    ),
    Case(
        "Pods that nobody deletes are deleted",
        DeletePods,
        ENDED["cancelled"],
        make_job(gone_at=at(11)),
        [running()],
        now=16,
    ),
    Case(
        "the garbage collector has its time first",
        None,
        ENDED["cancelled"],
        make_job(gone_at=at(11)),
        [running()],
        now=12,
        requeue=4.0,
    ),
    Case(
        "that no Pod is left is verified",
        Gather,
        ENDED["cancelled"],
        make_job(gone_at=at(11)),
        [running(gone_at=at(12))],
        need=Need.FRESH,
    ),
    Case(
        "then it is recorded, with the seconds",
        MarkTerminated,
        ENDED["cancelled"],
        make_job(gone_at=at(11)),
        [running(gone_at=at(12))],
        now=12.34,
        evidence=FRESH,
        says="terminated 2.3 s after the cancel",
    ),
    Case("once", None, MARKED["cancelled"], make_job(gone_at=at(11)), requeue=3600 - 20),
    Case(
        "a cancelled task that never ran",
        MarkTerminated,
        ENDED["cancelled"],
        evidence=FRESH,
        says="no process was started",
    ),
    Case(
        "a process may take a while to leave", None, ENDED["completed"], make_job(), [running()], now=12, requeue=118.0
    ),
    Case("but not for ever", DeleteJob, ENDED["completed"], make_job(), [running()], now=131),
    Case(
        "a process that never started need not be waited for",
        DeleteJob,
        make_task(status={**ended_status("failed"), "startedAt": None}),
        make_job(),
        [waits("ImagePullBackOff")],
        now=11,
    ),
    Case(
        "a completed task whose Job has finished",
        MarkTerminated,
        ENDED["completed"],
        COMPLETE_JOB,
        now=12.5,
        says="terminated 2.5 s after the end",
    ),
    Case("the Job's TTL is what is left until the expiry", SetJobTtl, MARKED["completed"], COMPLETE_JOB),
    Case(
        "it is set once",
        None,
        MARKED["completed"],
        make_job(done="Complete", finished=12, ttl_seconds=3588),
        requeue=3600 + 30 - 20,
    ),
    Case("the log of a failed task is kept as long", SetJobTtl, MARKED["failed"], FAILED_JOB),
    Case("the Job's removal removes the task", DeleteTask, MARKED["completed"], make_job(gone_at=at(3601)), now=3601),
    Case(
        "a Job that was deleted by hand does not shorten the life of the task",
        None,
        MARKED["completed"],
        make_job(gone_at=at(30)),
        now=40,
        requeue=3560,
    ),
    Case("a task without a Job expires a second after its time", None, MARKED["cancelled"], now=3600.5, requeue=0.5),
    Case("then it is deleted", DeleteTask, MARKED["cancelled"], now=3601),
    Case(
        "a Job that lingers beyond the expiry goes with the task",
        DeleteTask,
        MARKED["completed"],
        make_job(done="Complete", finished=12, ttl_seconds=3588),
        now=3631,
    ),
    Case(
        "even Pods on a lost node do not keep an expired task",
        DeleteTask,
        ENDED["cancelled"],
        pods=[running(deletion_due=at(40))],
        now=3700,
    ),
    Case(
        "a task that was ended by hand, without times, expires as well",
        DeleteTask,
        make_task(status={"phase": "completed"}),
        now=3700,
    ),
]
