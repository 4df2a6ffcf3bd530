"""What a worker's claim writes, and when another attempt of its own is none of its business any more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import pytest

from mcptasks.gateway.assignments import Assignments
from mcptasks.gateway.claims import AssignmentTerms, RivalChangedError, claim, refuse_unless_runs
from mcptasks.gateway.contract import RefusalCode, ResultOutcome
from mcptasks.gateway.outcomes import is_claimed_by, is_replay
from mcptasks.gateway.pods import PodIdentity, TaskPod
from mcptasks.gateway.refusals import RefusedError
from mcptasks.gateway.task_records import TaskRecords
from mcptasks.gateway.template_facts import TemplateFacts
from mcptasks.gateway.worker_claims import WorkerClaims
from mcptasks.gateway.workers import WorkerPod
from mcptasks.kube.errors import UnavailableError
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import Retention, timestamp
from tests.unit.gateway.builders import NOW, a_pod, a_task

RETENTION = Retention(ttl_ms=3_600_000, floor_seconds=30)
ENDED = {"phase": "completed", "podUid": "pod-1", "attempts": 2, "result": {"sha256": "x"}}


def worker(attempt: int = 0, **changes: Any) -> Any:
    return a_pod(attempt=attempt, **changes)


def test_the_claim_says_that_a_worker_runs_the_task_and_ends_its_waiting() -> None:
    before = timestamp(NOW - timedelta(seconds=1))
    task = a_task({"phase": "working", "reason": "Retrying", "attempts": 1, "retryAfter": before}, retries=1)
    patch = claim(task, worker(), None, NOW, RETENTION)
    assert patch is not None
    status = patch["status"]
    assert (status["executor"], status["retryAfter"], status["attempts"]) == ("Warm", None, 2)
    assert (status["podUid"], status["jobName"], status["reason"]) == ("pod-1", "report-1", "Running")


def test_a_task_whose_attempt_has_just_failed_is_not_claimed_before_its_time() -> None:
    after = timestamp(NOW + timedelta(seconds=1))
    task = a_task({"phase": "working", "reason": "Retrying", "attempts": 1, "retryAfter": after}, retries=1)
    with pytest.raises(RivalChangedError):
        claim(task, worker(), None, NOW, RETENTION)


def test_a_clock_that_was_set_back_does_not_keep_a_task_waiting() -> None:
    """No pause between two attempts is that long: the time stands in the status by another clock."""
    after = timestamp(NOW + timedelta(hours=1))
    task = a_task({"phase": "working", "reason": "Retrying", "attempts": 1, "retryAfter": after}, retries=1)
    assert claim(task, worker(), None, NOW, RETENTION) is not None


def test_a_pod_of_its_own_that_takes_a_task_after_a_worker_is_no_worker() -> None:
    """Its template has changed between two attempts."""
    waits = a_task({"executor": "Warm", "attempts": 1, "retryAfter": timestamp(NOW + timedelta(seconds=60))})
    patch = claim(waits, a_pod(), None, NOW, RETENTION)
    assert patch is not None
    assert patch["status"]["executor"] == "Job"
    assert patch["status"]["retryAfter"] is None


def test_what_another_worker_has_is_not_claimed() -> None:
    with pytest.raises(RivalChangedError):
        claim(a_task({"podUid": "another", "attempts": 1}), worker(), None, NOW, RETENTION)


def test_an_earlier_attempt_of_the_same_worker_is_over() -> None:
    task = a_task({"podUid": "pod-1", "attempts": 2})
    refuse_unless_runs(task, worker(2))
    with pytest.raises(RefusedError, match="attempt 1 of task report-1 is over") as refused:
        refuse_unless_runs(task, worker(1))
    assert refused.value.code is RefusalCode.SUPERSEDED
    assert not is_claimed_by(task, worker(1))


def test_an_outcome_is_delivered_again_only_by_the_attempt_that_it_is_of() -> None:
    outcome = ResultOutcome(text="{}")
    assert is_replay(a_task(ENDED), worker(2), outcome, "x")
    assert not is_replay(a_task(ENDED), worker(1), outcome, "x")


@dataclass
class UnansweredClaims:
    """An API server that does not answer the first claim; `stored` is the task as it is read after that."""

    stored: JsonObject
    tried: int = 0

    async def claimed(self, _pod: TaskPod, _item: JsonObject, _rival: object) -> JsonObject:
        self.tried += 1
        if self.tried > 1:
            raise RivalChangedError
        raise UnavailableError(0, "Unavailable", "no answer")

    async def read(self, _pod: TaskPod) -> JsonObject:
        return self.stored

    async def claim_for_one_that_has_left(self) -> None:
        claims = WorkerClaims(
            cast(TaskRecords, self), cast(Assignments, self), cast(TemplateFacts, None), cast(AssignmentTerms, None)
        )
        identity = PodIdentity("ns", "warm-w-1", "pod-1")
        left = WorkerPod(identity, "warm", "template-uid", "hash", created_at=NOW)
        await claims.claim(self.stored, left, lambda: False)


@pytest.mark.anyio
async def test_a_claim_that_was_not_written_is_not_tried_again_for_a_worker_that_has_left() -> None:
    """A task that is claimed for a worker that is gone counts as begun."""
    unanswered = UnansweredClaims({"metadata": {"name": "report-1", "uid": "task-uid"}})
    with pytest.raises(RefusedError, match="worker warm-w-1 has left"):
        await unanswered.claim_for_one_that_has_left()
    assert unanswered.tried == 1


@pytest.mark.anyio
async def test_one_that_was_written_all_the_same_is() -> None:
    claimed = {"metadata": {"name": "report-1", "uid": "task-uid"}, "status": {"podUid": "pod-1"}}
    unanswered = UnansweredClaims(claimed)
    with pytest.raises(RivalChangedError):
        await unanswered.claim_for_one_that_has_left()
    assert unanswered.tried == 2
