"""Cases of tasks that workers run."""

from __future__ import annotations

from typing import Any

from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.lifecycle import timestamp
from mcptasks.model.task import McpTask, Phase, Reason
from mcptasks_operator.deciding.decisions import (
    AdmitTask,
    AdoptWorker,
    CreateJob,
    DeleteJob,
    DeletePods,
    DeleteTask,
    EndTask,
    FinishJob,
    Gather,
    MarkTerminated,
    ReleaseClaim,
    SetJobTtl,
    ShowCause,
)
from mcptasks_operator.deciding.gathered_evidence import (
    Evidence,
    JobRefusal,
    Need,
    PoolEvidence,
    RefusalKind,
    TemplateState,
)
from mcptasks_operator.deciding.object_facts import MANAGED_BY_WARM, Disruption, JobFacts, Owner, PodFacts, WorkerFacts
from mcptasks_operator.deciding.turns import Turn
from tests.unit.operator.builders import JOB_UID, TASK, TERMINATED, at, condition, ended_status, make_job, make_task
from tests.unit.operator.deciding.cases.case import CLAIMED, FRESH, Case, failed, running

HELD: dict[str, Any] = {**CLAIMED, "executor": "Warm", "podName": "warm-w-1"}
HELD_TASK = make_task(status=HELD)
NO_SPACE = Diagnosis(Reason.UNSCHEDULABLE, "no node can take Pod warm-w-1")
BROKEN = Diagnosis(Reason.MODULE_NOT_LOADABLE, "the workers cannot load their module")
REFUSED = Evidence(refusal=JobRefusal(RefusalKind.FORBIDDEN, "exceeded quota"))
WAITING_SHOWN = {
    "phase": "working",
    "reason": "Pending",
    "conditions": [condition("Scheduled", "False", "WaitingForWorker")],
}


def worker(**facts: Any) -> PodFacts:
    """The worker that has the task."""
    return running(worker=WorkerFacts(), grace_seconds=30, **facts)


def lost(code: int = 1, reason: str = "Error", **facts: Any) -> PodFacts:
    return failed(1, code, reason, worker=WorkerFacts(), **facts)


def record(**facts: Any) -> JobFacts:
    """The task's Job, which the Job controller leaves alone."""
    return make_job(managed_by=MANAGED_BY_WARM, ttl_seconds=facts.pop("ttl_seconds", 3600), **facts)


def ended(phase: str, **status: Any) -> Any:
    return make_task(status=ended_status(phase, executor="Warm", podName="warm-w-1", **status))


def pool(**known: Any) -> Evidence:
    return Evidence(pool=PoolEvidence(**known))


WAITING = [
    Case("a task that nobody has taken is left to the gateway", None, now=1, requeue=2.0),
    Case("after a while it says what it waits for", ShowCause, now=5, reason=Reason.PENDING, says="a worker of"),
    Case("while all are busy it waits its turn", None, now=5, evidence=pool(workers=2), requeue=10.0),
    Case("it says that the only one is busy", ShowCause, now=16, evidence=pool(workers=1), says="the one worker of"),
    Case("it says that all are busy", ShowCause, now=16, evidence=pool(workers=2), says="all 2 workers of"),
    Case("or that idle ones do not", ShowCause, now=16, evidence=pool(workers=2, idle=1), says="1 of 2 workers of"),
    Case("once", None, make_task(status=WAITING_SHOWN), now=20, requeue=15.0),
    Case("or what keeps its workers", ShowCause, now=5, evidence=pool(cause=NO_SPACE), says="no node can take"),
    Case(
        "it ends at once where no worker will come",
        EndTask,
        now=1,
        evidence=pool(failure=BROKEN),
        reason=Reason.MODULE_NOT_LOADABLE,
    ),
    Case("it ends at the start deadline", EndTask, now=301, reason=Reason.PENDING, says="not started within 300 s"),
    Case("with what kept it", EndTask, now=301, evidence=pool(cause=NO_SPACE), reason=Reason.UNSCHEDULABLE),
    Case(
        "the deadline counts from when a worker last took a task",
        ShowCause,
        now=301,
        evidence=pool(workers=1, last_taken_at=at(100)),
    ),
    Case(
        "a missing template is looked for",
        Gather,
        evidence=Evidence(template=TemplateState.UNKNOWN),
        need=Need.TEMPLATE,
    ),
    Case(
        "and ends the task",
        EndTask,
        evidence=Evidence(template=TemplateState.MISSING),
        reason=Reason.TEMPLATE_NOT_FOUND,
    ),
    Case(
        "a released task waits although its Job from before the template was warm has been deleted",
        None,
        make_task(status={"phase": "working", "executor": "Warm", "retryAfter": "2026-11-22T12:00:18.000Z"}),
        make_job(gone_at=at(5)),
        now=20,
        requeue=1.0,
    ),
    Case("a waiting task can be cancelled", EndTask, make_task(spec={"cancel": True}), phase=Phase.CANCELLED),
    Case(
        "a released task waits from its retry on",
        None,
        make_task(status={"phase": "working", "retryAfter": "2026-11-22T12:00:18.000Z"}),
        now=20,
        requeue=1.0,
    ),
]

RUNNING = [
    Case("a task that runs gets its Job", CreateJob, HELD_TASK, pods=[worker()]),
    Case(
        "but first what others wait for is done",
        None,
        HELD_TASK,
        pods=[worker()],
        now=4,
        evidence=Evidence(waiting=1),
        requeue=3 + 5 - 4,
    ),
    Case("for a few seconds", CreateJob, HELD_TASK, pods=[worker()], now=8, evidence=Evidence(waiting=9)),
    Case("a Job that is refused changes nothing", None, HELD_TASK, pods=[worker()], evidence=REFUSED),
    Case("then it runs", None, HELD_TASK, record(), [worker()], now=20, requeue=3 + 3600 + 30 + 60 - 20),
    Case(
        "a worker that does not end it in time is overruled",
        EndTask,
        HELD_TASK,
        record(),
        [worker()],
        now=3694,
        reason=Reason.DEADLINE_EXCEEDED,
    ),
    Case(
        "time that a question waits does not count",
        None,
        make_task(
            spec={"inputTimeoutSeconds": 9999},
            status={**HELD, "phase": "input_required", "inputSince": "2026-11-22T12:00:10.000Z", "inputWaitMs": 0},
        ),
        record(),
        [worker()],
        now=3694,
    ),
    Case("its Job deleted", EndTask, HELD_TASK, record(deleting=True), [worker()], phase=Phase.CANCELLED),
    Case("its Job gone", Gather, HELD_TASK, record(gone_at=at(15)), [worker()], need=Need.FRESH),
    Case("for certain", EndTask, HELD_TASK, record(gone_at=at(15)), [worker()], evidence=FRESH, phase=Phase.CANCELLED),
    Case("its Job suspended", EndTask, HELD_TASK, record(suspended=True), [worker()], reason=Reason.PREEMPTED),
    Case("a Job that makes Pods goes", DeleteJob, HELD_TASK, make_job(), [worker()]),
    Case("a foreign Job of its name is let be", None, HELD_TASK, make_job(owner=None), [worker()]),
    Case(
        "a node that does not end the Pod",
        EndTask,
        HELD_TASK,
        record(),
        [worker(deletion_due=at(20))],
        now=51,
        reason=Reason.NODE_LOST,
    ),
    Case(
        "what may run again waits for its end",
        None,
        make_task(spec={"idempotent": True}, status=HELD),
        record(),
        [worker(deletion_due=at(20))],
        now=51,
        requeue=3 + 3600 + 30 + 60 - 51,
    ),
    Case(
        "for as long as it may run",
        EndTask,
        make_task(spec={"idempotent": True}, status=HELD),
        record(),
        [worker(deletion_due=at(20))],
        now=3694,
        reason=Reason.NODE_LOST,
    ),
]

SINGLE = WorkerFacts(tasks_per_worker=1)
OF_TEMPLATE = Owner("McpTaskTemplate", "warm", "template-uid")
OF_JOB = Owner("Job", TASK, JOB_UID)

SINGLE_USE = [
    Case(
        "a Pod for one task becomes its Job's",
        AdoptWorker,
        HELD_TASK,
        record(),
        [running(worker=SINGLE, owner=OF_TEMPLATE)],
    ),
    Case("once", None, HELD_TASK, record(), [running(worker=SINGLE, owner=OF_JOB)]),
    Case(
        "also after the end",
        AdoptWorker,
        ended("completed", conditions=TERMINATED),
        record(),
        [failed(1, 0, worker=SINGLE, owner=OF_TEMPLATE)],
    ),
    Case("a Pod for many does not", None, HELD_TASK, record(), [worker(owner=OF_TEMPLATE)]),
    Case(
        "nor one that is going",
        None,
        HELD_TASK,
        record(),
        [running(worker=SINGLE, owner=OF_TEMPLATE, deletion_due=at(60))],
    ),
]

LOST = [
    Case("a lost worker is looked at anew", Gather, HELD_TASK, record(), need=Need.FRESH),
    Case("gone without a trace", EndTask, HELD_TASK, record(), evidence=FRESH, reason=Reason.PREEMPTED),
    Case(
        "out of memory",
        EndTask,
        HELD_TASK,
        record(),
        [lost(137, "OOMKilled")],
        evidence=FRESH,
        reason=Reason.OOM_KILLED,
    ),
    Case("by a signal", EndTask, HELD_TASK, record(), [lost(139)], evidence=FRESH, reason=Reason.KILLED_BY_SIGNAL),
    Case(
        "evicted",
        EndTask,
        HELD_TASK,
        record(),
        [lost(137, disruption=Disruption("EvictionByEvictionAPI"))],
        evidence=FRESH,
        reason=Reason.EVICTED,
    ),
    Case(
        "evicted, and allowed again",
        ReleaseClaim,
        make_task(spec={"idempotent": True}, status=HELD),
        record(),
        [lost(137, disruption=Disruption("EvictionByEvictionAPI"))],
        evidence=FRESH,
    ),
    Case(
        "crashed, with retries left",
        ReleaseClaim,
        make_task(spec={"retries": 1}, status=HELD),
        record(),
        [lost()],
        evidence=FRESH,
    ),
    Case(
        "crashed, beside a container that goes on",
        EndTask,
        HELD_TASK,
        record(),
        [lost(3, phase="Running")],
        evidence=FRESH,
        reason=Reason.EXIT_CODE,
    ),
    Case(
        "however often it was given back before",
        ReleaseClaim,
        make_task(spec={"retries": 1}, status={**HELD, "attempts": 5000}),
        record(),
        [lost()],
        evidence=FRESH,
    ),
    Case(
        "given up by its own word, before it began the task",
        ReleaseClaim,
        HELD_TASK,
        record(),
        [lost(69)],
        evidence=FRESH,
        says="before it began attempt",
    ),
    Case(
        "crashed, with none left",
        EndTask,
        make_task(spec={"retries": 1}, status={**HELD, "retriesUsed": 1}),
        record(),
        [lost()],
        evidence=FRESH,
        reason=Reason.EXIT_CODE,
    ),
]

AFTER = [
    Case("a task that was faster than its Job gets one", CreateJob, ended("completed", conditions=TERMINATED)),
    Case("which is finished", FinishJob, ended("completed", conditions=TERMINATED), record(ttl_seconds=3580)),
    Case("at the right time", SetJobTtl, ended("completed", conditions=TERMINATED), record(ttl_seconds=60)),
    Case("and stays", None, ended("completed", conditions=TERMINATED), record(done="Complete", finished=12)),
    Case("a failed one too", FinishJob, ended("failed", conditions=TERMINATED), record(ttl_seconds=3580)),
    Case("a cancelled one has no record", None, ended("cancelled", conditions=TERMINATED)),
    Case("its Job goes", DeleteJob, ended("cancelled", conditions=TERMINATED), record()),
    Case("at once", DeleteJob, ended("cancelled"), record(), [worker()]),
    Case(
        "a Job that was deleted is not made again",
        None,
        ended("completed", conditions=TERMINATED),
        record(gone_at=at(15)),
    ),
    Case("nor one that is long gone", None, ended("completed", conditions=TERMINATED), now=700),
    Case("nor one that was refused", None, ended("completed", conditions=TERMINATED), evidence=REFUSED),
    Case("a worker has a minute to end it", None, ended("cancelled"), pods=[worker()], now=20, requeue=80.0),
    Case(
        "by the operator's own clock too",
        None,
        ended("cancelled"),
        pods=[worker()],
        now=101,
        evidence=Evidence(watched_seconds=15),
        requeue=75.0,
    ),
    Case("then its Pod goes", DeletePods, ended("cancelled"), pods=[worker()], now=101),
    Case("once", None, ended("cancelled"), pods=[worker(deletion_due=at(131))], now=101),
    Case("a worker that is gone", Gather, ended("cancelled"), need=Need.FRESH),
    Case("has ended it", MarkTerminated, ended("cancelled"), evidence=FRESH),
    Case("as has one that has ended", MarkTerminated, ended("failed"), record(), [lost()], evidence=FRESH),
    Case("but for its sidecar", MarkTerminated, ended("failed"), record(), [lost(phase="Running")], evidence=FRESH),
    Case("at last the task goes", DeleteTask, ended("completed", conditions=TERMINATED), now=3602),
]

LIMITED_TASK = make_task(spec={"maxConcurrent": 2})
FULL = Turn(may_start=False, ahead=7, limit="tool report runs at most 2 at a time")


def told(ahead: int) -> McpTask:
    """A task whose status has said that so many are ahead of it."""
    shown = [condition("Scheduled", "False", "WaitingForTurn")]
    return make_task(spec={"maxConcurrent": 2}, status={"phase": "working", "tasksAhead": ahead, "conditions": shown})


LIMITS = [
    Case("a task whose turn it is gets its place", AdmitTask, LIMITED_TASK, evidence=Evidence(turn=Turn(True))),
    Case(
        "one that has to wait is told why and for how many",
        ShowCause,
        LIMITED_TASK,
        evidence=Evidence(turn=FULL),
        says="tool report runs at most 2 at a time; 7 tasks are ahead",
    ),
    Case("not before anybody would notice", None, LIMITED_TASK, now=1, evidence=Evidence(turn=FULL), requeue=2.0),
    Case("once", None, told(7), evidence=Evidence(turn=FULL), requeue=15.0),
    Case("and not for each one that starts", None, told(13), evidence=Evidence(turn=FULL), requeue=15.0),
    Case("but when half of them have", ShowCause, told(14), evidence=Evidence(turn=FULL)),
    Case("or more have come before it", ShowCause, told(6), evidence=Evidence(turn=FULL)),
    Case("no deadline counts meanwhile", None, told(7), now=90_000, evidence=Evidence(turn=FULL), requeue=15.0),
    Case(
        "one that is cancelled does not wait",
        EndTask,
        make_task(spec={"maxConcurrent": 2, "cancel": True}),
        evidence=Evidence(turn=FULL),
        phase=Phase.CANCELLED,
    ),
    Case(
        "the start deadline counts from its turn",
        ShowCause,
        make_task(spec={"maxConcurrent": 2}, status={"admittedAt": timestamp(at(9_990))}),
        now=10_000,
    ),
    Case(
        "a Job's task waits in the same way",
        ShowCause,
        make_task(spec={"maxRunningPerCaller": 2}),
        evidence=Evidence(turn=FULL),
    ),
]

CASES = [*WAITING, *RUNNING, *SINGLE_USE, *LOST, *AFTER, *LIMITS]
