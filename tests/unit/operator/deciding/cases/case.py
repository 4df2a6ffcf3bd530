"""A case for `decide`, and the tasks, Jobs and Pods that several cases share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from mcptasks.model.task import McpTask, Phase, Reason
from mcptasks_operator.deciding.decisions import Decision, EndTask, Gather, MarkTerminated, ShowCause, Step
from mcptasks_operator.deciding.gathered_evidence import Evidence, Need
from mcptasks_operator.deciding.object_facts import JobFacts, Owner, PodFacts, RunningState, WaitingState
from tests.unit.operator.builders import (
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


def check_step(case: Case, decision: Decision) -> None:
    """The decision is what the case says."""
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
            assert case.says in f"{ending.message}\n{ending.log_tail}"
        case ShowCause(reason, _, message):
            assert case.reason in (None, reason)
            assert case.says in message
        case MarkTerminated(_, message):
            assert case.says in message


def running(number: int = 1, **facts: Any) -> PodFacts:
    return make_pod(number, RunningState(at(3)), **facts)


def failed(number: int = 1, code: int = 1, reason: str = "Error", **facts: Any) -> PodFacts:
    return make_pod(number, exited(code, reason, finished=facts.pop("finished", 10)), **facts)


def waits(reason: str, message: str = "", **facts: Any) -> PodFacts:
    return make_pod(1, WaitingState(reason, message), **facts)


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
