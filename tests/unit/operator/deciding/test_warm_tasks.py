"""The next step for every situation that a task of a worker can be in."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import ANY

import pytest

from mcptasks.model.task import McpTask
from mcptasks.model.task_template import Executor
from mcptasks_operator.deciding.decide import decide
from mcptasks_operator.deciding.decisions import (
    CreateJob,
    Decision,
    DeleteJob,
    EndTask,
    Gather,
    ReleaseClaim,
    SetJobTtl,
)
from mcptasks_operator.deciding.gathered_evidence import Evidence, Need
from mcptasks_operator.deciding.object_facts import JobFacts
from tests.unit.operator.builders import JOB_UID, POLICY, TERMINATED, at, ended_status, make_job, make_task
from tests.unit.operator.deciding.cases import warm
from tests.unit.operator.deciding.cases.case import CLAIMED_TASK, KNOWN, Case, check_step, running

WARM_POLICY = replace(POLICY, executor=Executor.WARM, retries_disruptions=True)


def outcome(case: Case) -> Decision:
    return decide(case.task, case.job, case.pods, at(case.now), WARM_POLICY, case.evidence)


@pytest.mark.parametrize("case", warm.CASES, ids=lambda case: case.name)
def test_the_next_step(case: Case) -> None:
    check_step(case, outcome(case))


@pytest.mark.parametrize("case", warm.CASES, ids=lambda case: case.name)
def test_the_job_is_never_one_that_makes_pods(case: Case) -> None:
    step = outcome(case).step
    if isinstance(step, CreateJob):
        assert step.executor is Executor.WARM


def test_the_job_stays_as_long_as_its_task() -> None:
    step = decide(warm.ended("completed"), None, [], at(20), WARM_POLICY, Evidence(fresh=True)).step
    assert step is not None
    marked = warm.ended("completed", conditions=TERMINATED)
    assert decide(marked, None, [], at(20), WARM_POLICY).step == CreateJob(Executor.WARM, 3580)


def test_the_next_attempt_waits_longer_each_time_and_a_crash_uses_up_a_retry() -> None:
    def released(attempts: int) -> ReleaseClaim:
        task = make_task(spec={"retries": 9}, status={**warm.HELD, "attempts": attempts})
        step = decide(task, warm.record(), [warm.lost()], at(20), WARM_POLICY, KNOWN).step
        assert isinstance(step, ReleaseClaim)
        return step

    assert [released(attempts).retry_after for attempts in (1, 2, 3, 9)] == [at(20), at(30), at(50), at(370)]
    assert released(1).uses_retry


def test_a_disruption_of_an_idempotent_tool_uses_up_no_retry() -> None:
    evicted = next(case for case in warm.LOST if case.name == "evicted, and allowed again")
    step = outcome(evicted).step
    assert isinstance(step, ReleaseClaim)
    assert not step.uses_retry


def test_a_task_whose_template_has_changed_its_executor_goes_on_as_it_began() -> None:
    cold = decide(CLAIMED_TASK, make_job(), [running()], at(20), WARM_POLICY)
    assert cold.step is None
    held = decide(warm.HELD_TASK, None, [warm.worker()], at(20), POLICY)
    assert held.step == CreateJob(Executor.WARM, 3580)
    assert decide(make_task(), None, [], at(1), POLICY).step == CreateJob()


class TestClocksThatAreSet:
    """The operator ends what a worker should have ended. A worker has a clock of its own, which nobody sets."""

    def step(self, now: float, *, watched: float, ready: bool = True) -> Decision:
        task = make_task(status=warm.HELD)
        holder = warm.worker(ready=ready)
        evidence = Evidence(fresh=True, watched_seconds=watched)
        return decide(task, warm.record(), [holder], at(now), WARM_POLICY, evidence)

    def test_one_that_is_set_forward_ends_no_task_of_a_worker_that_is_well(self) -> None:
        decision = self.step(1_000_000, watched=5)
        assert decision.step is None
        assert decision.requeue_after == WARM_POLICY.run.seconds + 30 + 60 - 5

    def test_one_of_a_worker_that_does_not_answer_it_does(self) -> None:
        assert isinstance(self.step(1_000_000, watched=5, ready=False).step, EndTask)

    def test_what_has_been_watched_for_so_long_ends(self) -> None:
        assert isinstance(self.step(1_000_000, watched=WARM_POLICY.run.seconds + 91).step, EndTask)

    def test_one_that_is_set_back_ends_nothing(self) -> None:
        assert self.step(-1_000_000, watched=5).step is None


class TestTasksThatWorkersHadAndWhoseTemplateMakesJobsNow:
    """They were released or given back: they run by what their template says now."""

    RELEASED = make_task(spec={"retries": 2}, status=warm.HELD | {"podUid": None, "podName": None})

    def step(self, job: JobFacts | None, task: McpTask = RELEASED) -> Decision:
        return decide(task, job, [], at(3), POLICY)

    def test_the_record_makes_room_for_a_job_with_pods(self) -> None:
        assert self.step(warm.record()).step == DeleteJob(JOB_UID)
        assert self.step(warm.record(deleting=True)).step is None
        assert self.step(warm.record(deleting=True)).requeue_after == 1
        assert self.step(warm.record(gone_at=at(2))).step == CreateJob()

    def test_without_a_record_there_is_a_job_at_once(self) -> None:
        assert self.step(None).step == CreateJob()

    def test_that_job_is_like_any_other(self) -> None:
        assert self.step(make_job()).step is None
        deleted = self.step(make_job(gone_at=at(2)))
        assert deleted.step == Gather(Need.FRESH)
        taken = make_task(spec={"retries": 2}, status=warm.HELD | {"executor": "Job"})
        assert decide(taken, make_job(), [running()], at(20), WARM_POLICY).step is None

    def test_one_that_is_cancelled_before_its_pod_comes_loses_its_job(self) -> None:
        cancelled = make_task(status=ended_status("cancelled", executor="Warm", podUid=None))
        assert self.step(make_job(), cancelled).step == DeleteJob(JOB_UID)


@pytest.mark.parametrize(
    ("phase", "status", "kind", "reason", "message"),
    [
        ("completed", {}, "Normal", "Completed", "completed after "),
        ("failed", {"reason": "ToolError", "message": "no"}, "Warning", "ToolError", "no"),
        ("failed", {"reason": "ExitCode", "message": "code 3", "logTail": "why"}, "Warning", "ExitCode", "lines:\nwhy"),
        ("cancelled", {}, "Normal", "Cancelled", "cancelled; "),
    ],
)
def test_an_end_that_the_gateway_has_written_is_an_event_all_the_same(
    phase: str, status: dict[str, Any], kind: str, reason: str, message: str
) -> None:
    task = warm.ended(phase, conditions=TERMINATED, **status)
    notice = decide(task, warm.record(), [], at(20), WARM_POLICY).notice
    assert notice is not None
    assert (notice.type, notice.reason) == (kind, reason)
    assert message in notice.message


def test_an_end_of_long_ago_is_no_news() -> None:
    task = warm.ended("completed", conditions=TERMINATED)
    assert decide(task, warm.record(), [], at(300), WARM_POLICY).notice is None


class TestRecordsWhileOthersWait:
    """Job, its end and the Event of a task come when no other task waits for a worker, or a few seconds later."""

    BUSY = Evidence(waiting=3)
    ENDED = warm.ended("completed", conditions=TERMINATED)

    @pytest.mark.parametrize("job", [None, warm.record()], ids=["without a Job", "with a Job"])
    def test_they_are_left_for_later(self, job: JobFacts | None) -> None:
        finished = finished_at_of(self.ENDED)
        decision = decide(self.ENDED, job, [], finished + timedelta(seconds=2), WARM_POLICY, self.BUSY)
        assert (decision.step, decision.notice) == (None, None)
        assert decision.requeue_after == pytest.approx(3.0)

    @pytest.mark.parametrize(("seconds", "evidence"), [(2, Evidence()), (6, BUSY)], ids=["nobody waits", "late enough"])
    def test_then_they_are_made(self, seconds: float, evidence: Evidence) -> None:
        moment = finished_at_of(self.ENDED) + timedelta(seconds=seconds)
        assert decide(self.ENDED, None, [], moment, WARM_POLICY, evidence).step == CreateJob(Executor.WARM, ANY)
        decision = decide(self.ENDED, warm.record(ttl_seconds=None), [], moment, WARM_POLICY, evidence)
        assert decision.step == SetJobTtl(ANY)
        assert decision.notice is not None

    def test_the_job_of_a_cancelled_task_goes_at_once(self) -> None:
        task = warm.ended("cancelled", conditions=TERMINATED)
        decision = decide(task, warm.record(), [], finished_at_of(task), WARM_POLICY, self.BUSY)
        assert decision.step == DeleteJob(JOB_UID)


def finished_at_of(task: McpTask) -> datetime:
    assert task.status.finished_at is not None
    return task.status.finished_at
