"""Cases of Pods that run."""

from __future__ import annotations

from mcptasks.model.task import Reason
from mcptasks_operator.deciding.decisions import EndTask
from tests.unit.operator.builders import at, make_job, make_task
from tests.unit.operator.deciding.cases.case import CLAIMED, CLAIMED_TASK, Case, asking_task, running

CASES = [
    Case(
        "a running task is left alone until the kubelet's deadline is long over",
        None,
        CLAIMED_TASK,
        make_job(),
        [running()],
        requeue=2 + 3600 + 30 + 60 - 20,
    ),
    Case(
        "a kubelet that does not end the Pod at its deadline is lost",
        EndTask,
        CLAIMED_TASK,
        make_job(),
        [running(node="n1")],
        now=4000,
        reason=Reason.NODE_LOST,
        says="node n1",
    ),
    Case(
        "run time ends before the Pod's deadline where that has time to wait in it",
        None,
        asking_task(),
        make_job(),
        [running(timeout_seconds=4200)],
        now=100,
        requeue=2 + 3600 - 100,
    ),
    Case(
        "run time is over",
        EndTask,
        asking_task(),
        make_job(),
        [running(timeout_seconds=4200)],
        now=3603,
        reason=Reason.DEADLINE_EXCEEDED,
        says="3600 s",
    ),
    Case(
        "time that was spent waiting is not run time",
        None,
        asking_task(inputWaitMs=100_000),
        make_job(),
        [running(timeout_seconds=4200)],
        now=3603,
        requeue=99,
    ),
    Case(
        "run time stands still for a task that waits",
        None,
        asking_task(phase="input_required", inputSince="2026-11-22T13:00:00.000Z"),
        make_job(),
        [running(timeout_seconds=4200)],
        now=4199,
        requeue=31,
    ),
    Case(
        "a question that nobody has answered, and no gateway has seen that",
        EndTask,
        asking_task(phase="input_required", inputSince="2026-11-22T13:00:00.000Z"),
        make_job(),
        [running(timeout_seconds=4200)],
        now=4231,
        reason=Reason.INPUT_TIMEOUT,
        says="600 s",
    ),
    Case(
        "a Pod that is being deleted has its grace period",
        None,
        CLAIMED_TASK,
        make_job(),
        [running(deletion_due=at(30))],
        requeue=40,
    ),
    Case(
        "a Pod that does not go away is on a lost node",
        EndTask,
        CLAIMED_TASK,
        make_job(),
        [running(deletion_due=at(30), node="n1")],
        now=61,
        reason=Reason.NODE_LOST,
    ),
    Case(
        "an idempotent task waits for its replacement",
        None,
        CLAIMED_TASK,
        make_job(retries_disruptions=True),
        [running(deletion_due=at(30))],
        now=61,
    ),
    Case(
        "but not for ever",
        EndTask,
        CLAIMED_TASK,
        make_job(retries_disruptions=True),
        [running(deletion_due=at(30))],
        now=4000,
        reason=Reason.NODE_LOST,
    ),
    Case(
        "a working task never expires",
        None,
        make_task(spec={"ttlMs": 0}, status=CLAIMED),
        make_job(),
        [running()],
        now=1000,
    ),
]
