"""`decide`: the next step for every situation that a task can be in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from mcptasks.model.task import McpTask, Phase, Reason
from mcptasks_operator.deciding.decide import decide
from mcptasks_operator.deciding.decisions import (
    CreateJob,
    Decision,
    DeleteJob,
    DeletePods,
    DeleteTask,
    EndTask,
    Gather,
    MarkTerminated,
    SetJobTtl,
    ShowCause,
    Step,
    StrayPod,
)
from mcptasks_operator.deciding.evidence import Evidence, JobRefusal, Need, RefusalKind, TemplateState
from mcptasks_operator.deciding.facts import (
    Disruption,
    JobFacts,
    Owner,
    PodFacts,
    RunningState,
    WaitingState,
    WarningEvent,
)
from tests.unit.operator.builders import (
    JOB_UID,
    POLICY,
    TASK,
    TERMINATED,
    at,
    condition,
    ended_status,
    exited,
    make_job,
    make_pod,
    make_task,
)

FRESH = Evidence(fresh=True)
KNOWN = Evidence(fresh=True, log=("last words",))
NO_EVENTS = Evidence(warnings=())

CLAIMED = {
    "phase": "working",
    "reason": "Running",
    "jobName": TASK,
    "podUid": "pod-1",
    "startedAt": "2026-11-22T12:00:03.000Z",
    "attempts": 1,
    "conditions": [condition("Scheduled")],
}
RETRY_SHOWN = {**CLAIMED, "reason": "Retrying", "conditions": [condition("Scheduled", "False", "Retrying")]}


def asking_task(**status: Any) -> McpTask:
    """A task that may wait for answers for ten minutes."""
    return make_task(spec={"inputTimeoutSeconds": 600}, status={**CLAIMED, **status})


@dataclass(frozen=True)
class Case:
    """A situation, `now` seconds after the task was made, and the kind of step that follows."""

    name: str
    step: type[Step] | None
    task: McpTask = field(default_factory=make_task)
    job: JobFacts | None = None
    pods: Sequence[PodFacts] = ()
    now: float = 20
    evidence: Evidence | None = None
    reason: Reason | None = None
    phase: Phase | None = None
    requeue: float | None = None
    need: Need | None = None
    says: str = ""


def running(number: int = 1, **facts: Any) -> PodFacts:
    return make_pod(number, RunningState(at(3)), **facts)


def failed(number: int = 1, code: int = 1, reason: str = "Error", **facts: Any) -> PodFacts:
    return make_pod(number, exited(code, reason, finished=facts.pop("finished", 10)), **facts)


def waits(reason: str, message: str = "") -> PodFacts:
    return make_pod(1, WaitingState(reason, message))


ENDED = {phase: make_task(status=ended_status(phase)) for phase in ("completed", "failed", "cancelled")}
MARKED = {
    phase: make_task(status=ended_status(phase, conditions=TERMINATED))
    for phase in ("completed", "failed", "cancelled")
}
CLAIMED_TASK = make_task(status=CLAIMED)
GONE_JOB = make_job(gone_at=at(15))
FAILED_JOB = make_job(done="Failed", finished=12, reason="BackoffLimitExceeded")
COMPLETE_JOB = make_job(done="Complete", finished=12)
FOREIGN_JOB = make_job(owner=Owner("CronJob", "nightly", "other"))
OLD_JOB = make_job(owner=Owner("McpTask", TASK, "earlier"))
CANCELLING = make_task(spec={"cancel": True})

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
        "the last log lines are in the message",
        EndTask,
        CLAIMED_TASK,
        FAILED_JOB,
        [failed()],
        evidence=KNOWN,
        says="Last log lines:\nlast words",
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

STARTS = [
    Case(
        "a Pod that starts is left alone",
        None,
        make_task(),
        make_job(),
        [waits("ContainerCreating")],
        now=2,
        requeue=2.0,
    ),
    Case(
        "a Pod that takes long is looked into",
        Gather,
        make_task(),
        make_job(),
        [waits("ContainerCreating")],
        now=5,
        need=Need.EVENTS,
    ),
    Case(
        "nothing telling: wait",
        None,
        make_task(),
        make_job(),
        [waits("ContainerCreating")],
        now=5,
        evidence=NO_EVENTS,
        requeue=15,
    ),
    Case(
        "an image that cannot be pulled is shown",
        ShowCause,
        make_task(),
        make_job(),
        [waits("ErrImagePull", "no such host")],
        now=5,
        reason=Reason.PENDING,
        says="no such host",
    ),
    Case(
        "once",
        None,
        make_task(status={"conditions": [condition("Scheduled", "False", "ImagePullBackOff")]}),
        make_job(),
        [waits("ImagePullBackOff")],
        now=5,
        requeue=15,
    ),
    Case(
        "another cause is shown again",
        ShowCause,
        make_task(status={"conditions": [condition("Scheduled", "False", "Unschedulable")]}),
        make_job(),
        [waits("ImagePullBackOff")],
        now=5,
        reason=Reason.PENDING,
    ),
    Case(
        "the start deadline with a cause",
        EndTask,
        make_task(),
        make_job(),
        [waits("ImagePullBackOff", "not found")],
        now=302,
        reason=Reason.IMAGE_PULL_BACK_OFF,
        says="not started within 300 s (startDeadlineSeconds of McpTaskTemplate default)",
    ),
    Case(
        "the start deadline by its events",
        EndTask,
        make_task(),
        make_job(),
        [waits("ContainerCreating")],
        now=302,
        evidence=Evidence(warnings=(WarningEvent("FailedMount", 'secret "x" not found'),)),
        reason=Reason.VOLUME_MOUNT_FAILED,
    ),
    Case(
        "the start deadline without a cause",
        EndTask,
        make_task(),
        make_job(),
        [waits("ContainerCreating")],
        now=302,
        evidence=NO_EVENTS,
        reason=Reason.START_DEADLINE_EXCEEDED,
    ),
    Case(
        "an unschedulable Pod is shown",
        ShowCause,
        make_task(),
        make_job(),
        [make_pod(unschedulable="0/1 nodes: Insufficient cpu")],
        now=5,
        says="Insufficient cpu",
    ),
    Case(
        "an unschedulable Pod ends the task in time",
        EndTask,
        make_task(),
        make_job(),
        [make_pod(unschedulable="0/1 nodes")],
        now=302,
        reason=Reason.UNSCHEDULABLE,
    ),
    Case(
        "while other Pods of the template get nodes, a Pod without one waits its turn",
        None,
        make_task(status={"conditions": [condition("Scheduled", "False", "Unschedulable")]}),
        make_job(),
        [make_pod(unschedulable="0/1 nodes")],
        now=590,
        evidence=Evidence(last_scheduled_at=at(300)),
        requeue=10,
    ),
    Case(
        "that it waits is shown meanwhile, however often the others get nodes",
        ShowCause,
        make_task(),
        make_job(),
        [make_pod(unschedulable="0/1 nodes")],
        now=590,
        evidence=Evidence(last_scheduled_at=at(589)),
        reason=Reason.PENDING,
    ),
    Case(
        "a Pod without a node ends the task in time once the others get none either",
        EndTask,
        make_task(),
        make_job(),
        [make_pod(unschedulable="0/1 nodes")],
        now=602,
        evidence=Evidence(last_scheduled_at=at(300)),
        reason=Reason.UNSCHEDULABLE,
    ),
    Case(
        "a turn before the Job was made changes nothing",
        EndTask,
        make_task(),
        make_job(),
        [make_pod(unschedulable="0/1 nodes")],
        now=302,
        evidence=Evidence(last_scheduled_at=at(-100)),
        reason=Reason.UNSCHEDULABLE,
    ),
    Case(
        "a quota on Pods lets the task wait its turn too",
        None,
        make_task(status={"conditions": [condition("Scheduled", "False", "QuotaExceeded")]}),
        make_job(),
        now=590,
        evidence=Evidence(warnings=(WarningEvent("FailedCreate", "exceeded quota: q"),), last_scheduled_at=at(300)),
        requeue=10,
    ),
    Case(
        "a Pod that has a node has the whole start deadline on it",
        None,
        make_task(status={"conditions": [condition("Scheduled", "False", "ImagePullBackOff")]}),
        make_job(),
        [make_pod(scheduled_at=at(290), runner=waits("ImagePullBackOff").runner)],
        now=580,
        requeue=10,
    ),
    Case(
        "a Pod that has a node has no turn to wait for",
        EndTask,
        make_task(),
        make_job(),
        [make_pod(scheduled_at=at(2), runner=waits("ImagePullBackOff").runner)],
        now=303,
        evidence=Evidence(last_scheduled_at=at(300)),
        reason=Reason.IMAGE_PULL_BACK_OFF,
    ),
    Case(
        "a missing Secret ends the task in time",
        EndTask,
        make_task(),
        make_job(),
        [waits("CreateContainerConfigError", 'secret "x" not found')],
        now=302,
        reason=Reason.CONTAINER_CONFIG_ERROR,
    ),
    Case(
        "an image that may never be pulled fails at once",
        EndTask,
        make_task(),
        make_job(),
        [waits("ErrImageNeverPull")],
        now=2,
        reason=Reason.IMAGE_PULL_BACK_OFF,
    ),
    Case(
        "an image name that is none fails at once",
        EndTask,
        make_task(),
        make_job(),
        [waits("InvalidImageName")],
        now=2,
        reason=Reason.IMAGE_PULL_BACK_OFF,
    ),
    Case(
        "a command that cannot run fails at once",
        EndTask,
        make_task(),
        make_job(),
        [waits("RunContainerError", "no such file")],
        now=2,
        reason=Reason.CONTAINER_CANNOT_RUN,
    ),
    Case(
        "and is not retried",
        EndTask,
        make_task(),
        make_job(backoff_limit=3),
        [failed(1, 128, "StartError")],
        now=5,
        reason=Reason.CONTAINER_CANNOT_RUN,
    ),
    Case("no Pod: the Job's events are read", Gather, make_task(), make_job(), now=5, need=Need.EVENTS),
    Case(
        "a quota on Pods is shown",
        ShowCause,
        make_task(),
        make_job(),
        now=5,
        evidence=Evidence(warnings=(WarningEvent("FailedCreate", "pods is forbidden: exceeded quota: q"),)),
        says="exceeded quota: q",
    ),
    Case(
        "a quota on Pods ends the task in time",
        EndTask,
        make_task(),
        make_job(),
        now=302,
        evidence=Evidence(warnings=(WarningEvent("FailedCreate", "exceeded quota: q"),)),
        reason=Reason.QUOTA_EXCEEDED,
    ),
    Case(
        "Pod Security ends the task in time",
        EndTask,
        make_task(),
        make_job(),
        now=302,
        evidence=Evidence(warnings=(WarningEvent("FailedCreate", "violates PodSecurity"),)),
        reason=Reason.POD_REJECTED,
    ),
    Case(
        "a Pod that has claimed the task runs, whatever the cache says",
        None,
        CLAIMED_TASK,
        make_job(),
        [waits("ContainerCreating")],
        now=302,
    ),
    Case(
        "a suspended Job has no deadline",
        None,
        make_task(status={"conditions": [condition("Scheduled", "False", "Queued")]}),
        make_job(suspended=True, queue="research"),
        now=5000,
        requeue=None,
    ),
    Case(
        "a suspended Job is shown",
        ShowCause,
        make_task(),
        make_job(suspended=True, queue="research"),
        now=10,
        says="queued in research",
    ),
    Case("a resumed Job starts anew", None, make_task(), make_job(started_at=at(1000)), now=1001, requeue=2.0),
]

RUNS = [
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
        "time that was spent waiting is no run time",
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

RETRIES = [
    Case(
        "a retry is shown with its number",
        ShowCause,
        CLAIMED_TASK,
        make_job(backoff_limit=2),
        [failed(1, 3)],
        reason=Reason.RETRYING,
        says="attempt 1 of at most 3 failed (ExitCode): the process ended with exit code 3",
    ),
    Case(
        "once per attempt", None, make_task(status=RETRY_SHOWN), make_job(backoff_limit=2), [failed(1, 3)], requeue=3.0
    ),
    Case(
        "the next attempt's failure is shown again",
        ShowCause,
        make_task(status=RETRY_SHOWN),
        make_job(backoff_limit=2),
        [failed(1, 3), failed(2, 4)],
        says="attempt 2 of at most 3",
    ),
    Case(
        "an attempt that died before it claimed the task counts",
        ShowCause,
        make_task(),
        make_job(backoff_limit=1),
        [failed(1, 3)],
        says="attempt 1 of at most 2",
    ),
    Case(
        "the last attempt is no retry",
        None,
        make_task(status=RETRY_SHOWN),
        make_job(backoff_limit=1),
        [failed(1, 3), failed(2, 3)],
        requeue=15,
    ),
    Case("exit code 65 is no retry", None, CLAIMED_TASK, make_job(backoff_limit=2), [failed(1, 65)], requeue=15),
    Case(
        "a disruption is no retry",
        None,
        CLAIMED_TASK,
        make_job(backoff_limit=2),
        [failed(1, 143, disruption=Disruption("EvictionByEvictionAPI"))],
        requeue=15,
    ),
    Case(
        "but it is for an idempotent tool, even without retries",
        ShowCause,
        CLAIMED_TASK,
        make_job(retries_disruptions=True),
        [failed(1, 143, disruption=Disruption("EvictionByEvictionAPI"))],
        reason=Reason.RETRYING,
    ),
    Case(
        "the start deadline of a retry counts from its Pod",
        None,
        make_task(status=RETRY_SHOWN),
        make_job(backoff_limit=2),
        [failed(1, 3), make_pod(2, created_at=at(400))],
        now=401,
        requeue=2.0,
    ),
    Case(
        "a retry that gets no Pod ends the task in time",
        EndTask,
        make_task(status=RETRY_SHOWN),
        make_job(backoff_limit=2),
        [failed(1, 3)],
        now=10 + 10 + 301,
        evidence=NO_EVENTS,
        reason=Reason.START_DEADLINE_EXCEEDED,
    ),
    Case(
        "what keeps a retry from starting replaces the word of the retry",
        ShowCause,
        make_task(status=RETRY_SHOWN),
        make_job(backoff_limit=2),
        [failed(1, 3)],
        now=40,
        evidence=Evidence(warnings=(WarningEvent("FailedCreate", "exceeded quota"),)),
        reason=Reason.PENDING,
    ),
    Case(
        "and is then left standing",
        None,
        make_task(
            status={
                **RETRY_SHOWN,
                "reason": "Pending",
                "conditions": [condition("Scheduled", "False", "QuotaExceeded")],
            }
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
        make_task(status=CLAIMED),
        make_job(),
        now=5000,
        evidence=Evidence(watching_since=at(4999)),
        requeue=2.0,
    ),
]

AFTER_THE_END = [
    Case(
        "the Job of a cancelled task is deleted at once", DeleteJob, ENDED["cancelled"], make_job(), [running()], now=10
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

CASES = [
    *BEFORE_THE_JOB,
    *CANCELS,
    *FOREIGN_JOBS,
    *FINISHED_JOBS,
    *STARTS,
    *RUNS,
    *RETRIES,
    *AFTER_THE_END,
]


def outcome(case: Case) -> Decision:
    return decide(case.task, case.job, case.pods, at(case.now), POLICY, case.evidence)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_next_step(case: Case) -> None:
    decision = outcome(case)
    assert type(decision.step) is (case.step or type(None))
    if case.step is None and case.requeue is not None:
        assert decision.requeue_after == pytest.approx(case.requeue, abs=0.01)
    match decision.step:
        case Gather(need):
            assert need is case.need
        case EndTask(ending):
            assert case.reason in (None, ending.reason)
            assert ending.phase is (
                case.phase
                or (
                    Phase.CANCELLED
                    if "Cancel" in ending.reason or ending.reason is Reason.JOB_DELETED
                    else Phase.FAILED
                )
            )
            assert case.says in ending.message
        case ShowCause(reason, _, message):
            assert case.reason in (None, reason)
            assert case.says in message
        case MarkTerminated(_, message):
            assert case.says in message


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_task_that_has_not_ended_is_never_deleted_nor_is_its_job(case: Case) -> None:
    if not case.task.terminal:
        assert not isinstance(outcome(case).step, DeleteTask | DeleteJob | DeletePods | SetJobTtl)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_task_that_has_ended_is_never_started_nor_ended_again(case: Case) -> None:
    if case.task.terminal:
        assert not isinstance(outcome(case).step, CreateJob | EndTask | ShowCause)


@pytest.mark.parametrize("phase", ["completed", "failed", "cancelled"])
@pytest.mark.parametrize("now", [11.0, 100.0, 3599.0])
def test_nothing_of_an_ended_task_is_forgotten(phase: str, now: float) -> None:
    """Each ended task has a next step or a time at which it is looked at again."""
    for job in (None, make_job(), COMPLETE_JOB, GONE_JOB):
        decision = decide(ENDED[phase], job, [], at(now), POLICY)
        assert decision.step is not None or decision.requeue_after is not None


def ttl(finished: float, expires: float) -> int:
    task = make_task(status=ended_status("completed", expires=expires, conditions=TERMINATED))
    step = decide(task, make_job(done="Complete", finished=finished), [], at(finished), POLICY).step
    assert isinstance(step, SetJobTtl)
    return step.seconds


def test_the_job_ttl_is_rounded_up_so_that_nothing_goes_early() -> None:
    assert ttl(finished=10, expires=40) == 30
    assert ttl(finished=10, expires=40.2) == 31


def test_a_job_that_finishes_after_the_expiry_goes_at_once() -> None:
    task = make_task(status=ended_status("completed", expires=12, conditions=TERMINATED))
    step = decide(task, make_job(done="Complete", finished=20), [], at(20), POLICY).step
    assert step == SetJobTtl(0)


def test_deletes_name_the_uid_that_was_seen() -> None:
    assert decide(ENDED["cancelled"], make_job(), [], at(11), POLICY).step == DeleteJob(JOB_UID)
    pods = [running(), replace(running(2), deletion_due=at(12))]
    step = decide(ENDED["cancelled"], None, pods, at(16), POLICY).step
    assert step == DeletePods((StrayPod(f"{TASK}-1", "pod-1"),)), "one is on its way already"


def test_an_end_that_leaves_no_process_says_so_in_the_same_write() -> None:
    evidence = Evidence(template=TemplateState.MISSING)
    step = decide(make_task(), None, [], at(1), POLICY, evidence).step
    assert isinstance(step, EndTask)
    assert step.terminated == "no process was started"
    step = decide(CLAIMED_TASK, FAILED_JOB, [failed()], at(20), POLICY, KNOWN).step
    assert isinstance(step, EndTask)
    assert step.terminated == "the Job has finished"


def test_an_end_that_leaves_a_process_does_not_say_that_there_is_none() -> None:
    for task, job in ((CANCELLING, make_job()), (CLAIMED_TASK, make_job(deleting=True))):
        step = decide(task, job, [running()], at(20), POLICY).step
        assert isinstance(step, EndTask)
        assert step.terminated is None


def test_the_order_in_which_pods_come_does_not_matter() -> None:
    pods = [failed(1, 3), failed(2, 4)]
    assert decide(CLAIMED_TASK, FAILED_JOB, pods, at(20), POLICY, KNOWN) == decide(
        CLAIMED_TASK, FAILED_JOB, pods[::-1], at(20), POLICY, KNOWN
    )


def test_failures_are_told_as_warnings_and_the_rest_as_normal_events() -> None:
    failure = decide(CLAIMED_TASK, FAILED_JOB, [failed(code=3)], at(20), POLICY, KNOWN).notice
    assert failure is not None
    assert (failure.type, failure.reason) == ("Warning", "ExitCode")
    done = decide(ENDED["completed"], COMPLETE_JOB, [], at(20), POLICY).notice
    assert done is not None
    assert (done.type, done.reason, done.message) == ("Normal", "Completed", "completed after 10.0 s")
    cancelled = decide(ENDED["cancelled"], None, [], at(12), POLICY, FRESH).notice
    assert cancelled is not None
    assert (cancelled.type, cancelled.reason) == ("Normal", "Cancelled")
    created = decide(make_task(), None, [], at(1), POLICY).notice
    assert created is not None
    assert created.reason == "JobCreated"


def test_an_end_counts_the_attempts_that_never_claimed_the_task() -> None:
    step = decide(make_task(), FAILED_JOB, [failed(1), failed(2)], at(20), POLICY, KNOWN).step
    assert isinstance(step, EndTask)
    assert step.attempts == 2
    step = decide(CLAIMED_TASK, FAILED_JOB, [failed(1)], at(20), POLICY, KNOWN).step
    assert isinstance(step, EndTask)
    assert step.attempts is None, "the gateway has counted it"
