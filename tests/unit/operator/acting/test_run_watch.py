"""For how long an attempt has been seen to run."""

from __future__ import annotations

from mcptasks_operator.acting.run_watch import RunWatch
from tests.unit.operator.builders import TERMINATED, make_task
from tests.unit.operator.deciding.cases import warm


def test_it_counts_from_when_an_attempt_was_first_seen() -> None:
    seconds = [10.0]
    watch = RunWatch(clock=lambda: seconds[0])
    assert watch.seconds(warm.HELD_TASK) == 0
    seconds[0] = 25.0
    assert watch.seconds(warm.HELD_TASK) == 15
    assert watch.seconds(make_task(status=warm.HELD | {"attempts": 2})) == 0


def test_it_counts_anew_from_an_end_that_may_have_left_a_process() -> None:
    seconds = [10.0]
    watch = RunWatch(clock=lambda: seconds[0])
    assert watch.seconds(warm.HELD_TASK) == 0
    seconds[0] = 25.0
    assert watch.seconds(warm.ended("cancelled")) == 0
    seconds[0] = 27.0
    assert watch.seconds(warm.ended("cancelled")) == 2


def test_nothing_is_kept_of_tasks_that_wait_or_have_left_no_process() -> None:
    seconds = [10.0]
    watch = RunWatch(clock=lambda: seconds[0])
    for over in (make_task(), warm.ended("completed", conditions=TERMINATED)):
        assert watch.seconds(warm.HELD_TASK) == 0
        seconds[0] += 10
        assert watch.seconds(over) == 0
        assert watch.seconds(warm.HELD_TASK) == 0
        watch.forget(("default", over.name))
