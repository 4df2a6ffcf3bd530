"""When a log is read, to be kept: once its attempt ends, and once only."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.task import McpTask
from mcptasks_operator.deciding.log_keeping import EndingLog, log_to_keep
from mcptasks_operator.deciding.object_facts import (
    ContainerFacts,
    ContainerState,
    PodFacts,
    RunningState,
    TerminatedState,
    WorkerFacts,
)
from tests.unit.operator.builders import at, ended_status, make_task

DONE = TerminatedState(exit_code=0)


def a_pod(name: str = "pod-1", created: float = 1, state: ContainerState | None = None, **facts: Any) -> PodFacts:
    """A Pod whose process runs, if nothing else is said."""
    runner = ContainerFacts("runner", state or RunningState())
    known: dict[str, Any] = {"phase": "Running", "runner": runner} | facts
    return PodFacts(name, f"uid-of-{name}", at(created), **known)


def running(**status: Any) -> McpTask:
    return make_task(status={"phase": "working", "attempts": 1, "podUid": "uid-of-pod-1"} | status)


def over(phase: str = "failed", **status: Any) -> McpTask:
    known: dict[str, Any] = {"attempts": 1, "podUid": "uid-of-pod-1"} | status
    return make_task(status=ended_status(phase, **known))


FAILED = a_pod(phase="Failed", state=TerminatedState(exit_code=1))
DELETED = a_pod(deletion_due=at(40))


@pytest.mark.parametrize(
    ("task", "pod", "ended"),
    [
        (running(), FAILED, True),
        (running(), DELETED, False),
        (over("cancelled"), a_pod(), False),
        (over("completed"), a_pod(phase="Succeeded", state=DONE), True),
        (make_task(), FAILED, True),
        (over(podUid=None), FAILED, True),
        (over(log={"text": "first", "attempt": 1}, attempts=2), FAILED, True),
    ],
    ids=["failed", "being deleted", "cancelled", "completed", "unclaimed", "ended unclaimed", "a second attempt"],
)
def test_the_log_of_an_attempt_that_ends_is_read(task: McpTask, pod: PodFacts, ended: bool) -> None:
    assert log_to_keep(task, [pod]) == EndingLog("pod-1", "uid-of-pod-1", "runner", task.status.attempts or 1, ended)


@pytest.mark.parametrize(
    ("task", "pods"),
    [
        (running(), []),
        (running(), [a_pod()]),
        (over(), [a_pod(phase="Failed", state=DONE, gone_at=at(9))]),
        (over("cancelled"), [PodFacts("pod-1", "uid-of-pod-1", at(1))]),
        (over("cancelled"), [a_pod(deletion_due=at(40), node_lost=True)]),
        (over(log={"text": "it", "attempt": 1}), [FAILED]),
        (running(executor="Warm"), [FAILED]),
        (over(), [a_pod(phase="Failed", state=DONE, worker=WorkerFacts())]),
        (running(), [FAILED, a_pod("pod-2", 2, phase="Failed", state=DONE)]),
    ],
    ids=[
        "no Pod",
        "it runs",
        "gone",
        "never started",
        "lost with its node",
        "kept",
        "warm",
        "a worker",
        "one that never had the task",
    ],
)
def test_no_other_log_is(task: McpTask, pods: list[PodFacts]) -> None:
    assert log_to_keep(task, pods) is None


def test_of_several_pods_the_last_one_has_the_log_that_counts() -> None:
    task = running(attempts=2, podUid="uid-of-pod-2")
    found = log_to_keep(task, [a_pod("pod-2", 2, phase="Failed", state=DONE), FAILED])
    assert found is not None
    assert (found.pod, found.attempt) == ("pod-2", 2)


def test_a_task_that_is_being_deleted_needs_no_log() -> None:
    metadata: JsonObject = {"deletionTimestamp": "2026-11-22T12:00:09Z"}
    assert log_to_keep(make_task(status=ended_status("failed"), metadata=metadata), [FAILED]) is None
