"""`decide`: the next step for every situation that a task can be in."""

from __future__ import annotations

import pytest

from mcptasks_operator.deciding.decide import decide
from mcptasks_operator.deciding.decisions import (
    CreateJob,
    Decision,
    DeleteJob,
    DeletePods,
    DeleteTask,
    EndTask,
    SetJobTtl,
    ShowCause,
)
from tests.unit.operator.builders import POLICY, at, make_task
from tests.unit.operator.deciding.cases import (
    attempts,
    cleanup,
    job_creation,
    restored,
    run_deadline,
    start_deadline,
    task_ends,
)
from tests.unit.operator.deciding.cases.case import (
    CLAIMED_TASK,
    COMPLETE_JOB,
    ENDED,
    FAILED_JOB,
    FRESH,
    KNOWN,
    Case,
    check_step,
    failed,
)

CASES = [
    *job_creation.CASES,
    *task_ends.CASES,
    *start_deadline.CASES,
    *run_deadline.CASES,
    *attempts.CASES,
    *cleanup.CASES,
    *restored.CASES,
]


def outcome(case: Case) -> Decision:
    return decide(case.task, case.job, case.pods, at(case.now), POLICY, case.evidence)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_next_step(case: Case) -> None:
    check_step(case, outcome(case))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_task_that_has_not_ended_is_never_deleted_nor_is_its_job(case: Case) -> None:
    if not case.task.terminal:
        assert not isinstance(outcome(case).step, DeleteTask | DeleteJob | DeletePods | SetJobTtl)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_task_that_has_ended_is_never_started_nor_ended_again(case: Case) -> None:
    if case.task.terminal:
        assert not isinstance(outcome(case).step, CreateJob | EndTask | ShowCause)


def test_the_order_in_which_pods_come_does_not_matter() -> None:
    pods = [failed(1, 3), failed(2, 4)]
    assert decide(CLAIMED_TASK, FAILED_JOB, pods, at(20), POLICY, KNOWN) == decide(
        CLAIMED_TASK, FAILED_JOB, pods[::-1], at(20), POLICY, KNOWN
    )


def test_the_last_log_lines_are_in_no_message_that_callers_see() -> None:
    decision = decide(CLAIMED_TASK, FAILED_JOB, [failed(code=3)], at(20), POLICY, KNOWN)
    assert isinstance(decision.step, EndTask)
    ending = decision.step.ending
    assert ending.log_tail == "last words"
    assert "last words" not in ending.explanation
    assert decision.notice is not None
    assert decision.notice.message.endswith("Last log lines:\nlast words")


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
