"""What a template's status says of its workers."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.lifecycle import timestamp
from mcptasks.model.task import MAX_CONDITION_MESSAGE, Reason
from mcptasks_operator.deciding.object_facts import RunningState, WaitingState, WorkerFacts
from mcptasks_operator.deciding.pool_plan import PoolDemand, PoolMember
from mcptasks_operator.deciding.pool_report import (
    PoolCounts,
    PoolReport,
    available,
    counts_of,
    is_news,
    pool_status,
)
from tests.unit.operator.builders import at, make_pod

QUOTA = Diagnosis(Reason.QUOTA_EXCEEDED, "the quota does not allow it", "Raise it")


def member(number: int, *, ready: bool = True, tasks: int = 0, drains: bool = False) -> PoolMember:
    state = RunningState(at(3)) if ready else WaitingState("ContainerCreating")
    pod = make_pod(number, state, worker=WorkerFacts(drains=drains), ready=ready)
    return PoolMember(pod, tasks=tasks)


def test_workers_are_counted_by_what_they_do() -> None:
    members = [member(1), member(2, tasks=3), member(3, ready=False), member(4, tasks=1, drains=True)]
    counts = counts_of(members, PoolDemand(waiting=7), 4)
    assert counts == PoolCounts(ready=2, busy=2, starting=1, wanted=4, waiting=7)


def test_a_worker_that_was_made_for_one_task_counts_while_it_runs_it() -> None:
    counts = counts_of([member(1)], PoolDemand(given_away=2), 1)
    assert counts == PoolCounts(ready=3, busy=2, starting=0, wanted=3, waiting=0)


@dataclass(frozen=True)
class ConditionCase:
    """What the condition says of a pool."""

    name: str
    report: PoolReport
    status: str
    reason: str
    message: str


CONDITIONS = [
    ConditionCase("ready", PoolReport(PoolCounts(2, 1, 0, 2)), "True", "WorkersReady", "2 of 2 workers are ready"),
    ConditionCase(
        "starting",
        PoolReport(PoolCounts(starting=2, wanted=2)),
        "False",
        "WorkersStarting",
        "the first of 2 workers is on its way",
    ),
    ConditionCase(
        "scaled to none",
        PoolReport(PoolCounts()),
        "True",
        "NoneWanted",
        "no worker is wanted: the next call has one made",
    ),
    ConditionCase(
        "none, and none can be",
        PoolReport(PoolCounts(), QUOTA),
        "False",
        "QuotaExceeded",
        "the quota does not allow it. Raise it",
    ),
    ConditionCase(
        "none, for a reason",
        PoolReport(PoolCounts(wanted=2), QUOTA),
        "False",
        "QuotaExceeded",
        "the quota does not allow it. Raise it",
    ),
    ConditionCase(
        "fewer, for a reason",
        PoolReport(PoolCounts(ready=1, wanted=2), QUOTA),
        "True",
        "QuotaExceeded",
        "1 of 2 workers are ready: the quota does not allow it. Raise it",
    ),
]


@pytest.mark.parametrize("case", CONDITIONS, ids=lambda case: case.name)
def test_the_condition_says_whether_a_call_finds_a_worker_and_why_not(case: ConditionCase) -> None:
    found = available(case.report)
    assert (found.status, found.reason, found.message) == (case.status, case.reason, case.message)


def test_a_long_cause_is_cut() -> None:
    cause = Diagnosis(Reason.POD_REJECTED, "x" * 5000)
    assert len(available(PoolReport(PoolCounts(wanted=1), cause)).message) <= MAX_CONDITION_MESSAGE


READY_1 = PoolReport(PoolCounts(1, 0, 0, 1))
BUSY_1 = PoolReport(PoolCounts(1, 1, 0, 1))
NONE_YET = PoolReport(PoolCounts(0, 0, 1, 1))


def test_the_time_of_the_condition_moves_only_with_its_status() -> None:
    first = pool_status({}, NONE_YET, 1, at(1))
    refused = pool_status(first, PoolReport(PoolCounts(wanted=1), QUOTA), 1, at(2))
    ready = pool_status(refused, READY_1, 1, at(3))
    assert [_since(each) for each in (first, refused, ready)] == [timestamp(at(1)), timestamp(at(1)), timestamp(at(3))]


def _since(status: JsonObject) -> str:
    return str(status["conditions"][0]["lastTransitionTime"])


def test_the_same_workers_make_the_same_status() -> None:
    first = pool_status({}, READY_1, 4, at(1))
    assert pool_status(first, READY_1, 4, at(99)) == first
    assert first["observedGeneration"] == 4


def test_a_changed_condition_is_news_and_a_task_is_none() -> None:
    ready = pool_status({}, READY_1, 1, at(1))
    assert is_news({}, ready)
    assert not is_news(ready, pool_status(ready, BUSY_1, 1, at(2)))
    assert is_news(ready, pool_status(ready, PoolReport(PoolCounts(1, 1, 0, 2), QUOTA), 1, at(2)))
