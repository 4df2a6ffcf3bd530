"""What happens to a task after its end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcptasks_operator.deciding.decide import decide
from mcptasks_operator.deciding.decisions import DeleteJob, DeletePods, OrphanedPod, SetJobTtl
from tests.unit.operator.builders import JOB_UID, POLICY, TASK, TERMINATED, at, ended_status, make_job, make_task
from tests.unit.operator.deciding.cases.case import COMPLETE_JOB, ENDED, GONE_JOB, running


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
    assert step == DeletePods((OrphanedPod(f"{TASK}-1", "pod-1"),)), "one is on its way already"
