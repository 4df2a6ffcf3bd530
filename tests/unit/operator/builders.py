"""Short ways to make tasks, Jobs and Pods for the operator's unit tests. Times are seconds from T0."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from mcptasks.model.base import API_VERSION, JsonObject
from mcptasks.model.lifecycle import Retention, timestamp
from mcptasks.model.process_failures import Limit
from mcptasks.model.task import McpTask
from mcptasks_operator.deciding.object_facts import (
    ContainerFacts,
    ContainerState,
    JobFacts,
    JobOutcome,
    Owner,
    PodFacts,
    RunningState,
    TerminatedState,
    WaitingState,
)
from mcptasks_operator.deciding.policy import Policy

T0 = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
TASK = "report-abc"
UID = "task-uid"
JOB_UID = "job-uid"

POLICY = Policy(
    template="default",
    start=Limit(300, "startDeadlineSeconds of McpTaskTemplate default"),
    run=Limit(3600, "MCPTASKS_DEFAULT_TIMEOUT_SECONDS of the operator"),
    completed=Retention(ttl_ms=3_600_000, floor_seconds=30),
    failed=Retention(ttl_ms=3_600_000, floor_seconds=30),
)


def at(seconds: float) -> datetime:
    """The moment this many seconds after T0."""
    return T0 + timedelta(seconds=seconds)


def task_item(
    *, spec: JsonObject | None = None, status: JsonObject | None = None, metadata: JsonObject | None = None
) -> JsonObject:
    """A task that was made at T0, as the API server hands it out."""
    return {
        "apiVersion": API_VERSION,
        "kind": "McpTask",
        "metadata": {
            "name": TASK,
            "namespace": "default",
            "uid": UID,
            "resourceVersion": "7",
            "generation": 1,
            "creationTimestamp": timestamp(T0),
            **(metadata or {}),
        },
        "spec": {"component": {"kind": "tool", "name": "report"}, **(spec or {})},
        **({"status": status} if status is not None else {}),
    }


def make_task(**parts: JsonObject) -> McpTask:
    """The typed form of `task_item`."""
    return McpTask.model_validate(task_item(**parts))


def ended_status(phase: str, finished: float = 10, expires: float = 3600, **more: Any) -> JsonObject:
    """Status of a task that ended `finished` seconds after T0."""
    return {
        "phase": phase,
        "reason": {"completed": "Completed", "cancelled": "CancelledByCaller"}.get(phase, "ExitCode"),
        "startedAt": timestamp(at(2)),
        "finishedAt": timestamp(at(finished)),
        "expiresAt": timestamp(at(expires)),
        "jobName": TASK,
        "podUid": "pod-1",
        "attempts": 1,
        **more,
    }


def condition(kind: str, status: str = "True", reason: str = "") -> JsonObject:
    return {"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": timestamp(T0)}


TERMINATED = [condition("PodsTerminated")]


async def until(fits: Callable[[], bool]) -> None:
    """Let other tasks of the event loop go on until the condition holds."""
    for _ in range(10_000):
        if fits():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never comes true")


def make_job(**facts: Any) -> JobFacts:
    """The task's own Job, made and started one second after T0; `done` is its outcome, at `finished` seconds."""
    done, finished = facts.pop("done", None), facts.pop("finished", None)
    owner = facts.pop("owner", Owner("McpTask", TASK, UID))
    return JobFacts(
        name=TASK,
        uid=facts.pop("uid", JOB_UID),
        created_at=facts.pop("created_at", at(1)),
        owner=owner,
        started_at=facts.pop("started_at", at(1)),
        outcome=None if done is None else JobOutcome(done),
        finished_at=None if finished is None else at(finished),
        timeout_seconds=facts.pop("timeout_seconds", 3600),
        **facts,
    )


def make_pod(number: int = 1, state: ContainerState | None = None, **facts: Any) -> PodFacts:
    """The task's Pod of this number; its phase follows from the runner's state."""
    state = state if state is not None else WaitingState()
    phase = "Pending"
    if isinstance(state, RunningState):
        phase = "Running"
    elif isinstance(state, TerminatedState):
        phase = "Succeeded" if state.exit_code == 0 else "Failed"
    return PodFacts(
        name=f"{TASK}-{number}",
        uid=f"pod-{number}",
        task_uid=UID,
        created_at=facts.pop("created_at", at(2 * number)),
        phase=facts.pop("phase", phase),
        started_at=facts.pop("started_at", at(2 * number)),
        timeout_seconds=facts.pop("timeout_seconds", 3600),
        runner=facts.pop("runner", ContainerFacts("runner", state, image="local/report:1")),
        **facts,
    )


def exited(code: int, reason: str = "Error", finished: float = 10, **more: Any) -> TerminatedState:
    """A container that ended `finished` seconds after T0."""
    return TerminatedState(exit_code=code, reason=reason, finished_at=at(finished), **more)
