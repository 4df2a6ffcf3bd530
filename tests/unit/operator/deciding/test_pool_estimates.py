"""What is expected of a pool: how often it is called, and how long its tasks and its workers' starts take."""

from __future__ import annotations

import pytest

from mcptasks_operator.deciding.pool_estimates import LONGEST_START_SECONDS, PoolEstimates
from tests.unit.operator.builders import at


def called(*moments: float) -> PoolEstimates:
    estimates = PoolEstimates()
    for moment in moments:
        estimates = estimates.called(at(moment))
    return estimates


def test_steady_calls_are_estimated_as_they_come() -> None:
    steady = called(*(second / 4 for second in range(4 * 300)))
    assert steady.calls_per_second(at(300)) == pytest.approx(4, rel=0.1)


def test_a_rush_counts_at_once_and_is_forgotten_slowly() -> None:
    rush = called(*[100] * 50)
    assert rush.calls_per_second(at(100)) == pytest.approx(5)
    assert 0.2 < rush.calls_per_second(at(160)) < 0.5
    assert rush.calls_per_second(at(1000)) < 0.001


def test_calls_count_by_their_own_time_in_whatever_order_they_are_heard_of() -> None:
    assert called(1, 5, 3).calls_per_second(at(9)) == pytest.approx(called(1, 3, 5).calls_per_second(at(9)))
    assert called(*[-4000] * 10_000, 0).calls_per_second(at(0)) == pytest.approx(called(0).calls_per_second(at(0)))


def test_durations_follow_what_was_seen_last() -> None:
    estimates = PoolEstimates().ran(10)
    assert estimates.task.seconds == 10
    for _ in range(30):
        estimates = estimates.ran(1)
    assert estimates.task.seconds == pytest.approx(1, abs=0.1)
    assert PoolEstimates().ran(-3).task.seconds == 0


def test_a_start_that_waited_for_a_node_counts_for_no_more_than_the_longest() -> None:
    assert PoolEstimates().started(90_000).start.seconds == LONGEST_START_SECONDS
