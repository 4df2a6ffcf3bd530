"""What the end of a task says."""

from __future__ import annotations

from mcptasks_operator.deciding.decide import decide
from mcptasks_operator.deciding.decisions import EndTask
from mcptasks_operator.deciding.gathered_evidence import Evidence, TemplateState
from tests.unit.operator.builders import POLICY, at, make_job, make_task
from tests.unit.operator.deciding.cases.case import CANCELLING, CLAIMED_TASK, FAILED_JOB, KNOWN, failed, running


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


def test_an_end_counts_the_attempts_that_never_claimed_the_task() -> None:
    step = decide(make_task(), FAILED_JOB, [failed(1), failed(2)], at(20), POLICY, KNOWN).step
    assert isinstance(step, EndTask)
    assert step.attempts == 2
    step = decide(CLAIMED_TASK, FAILED_JOB, [failed(1)], at(20), POLICY, KNOWN).step
    assert isinstance(step, EndTask)
    assert step.attempts is None, "the gateway has counted it"
