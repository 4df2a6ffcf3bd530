"""The plan of a template's pool: how many workers are made, which drain, which Pods go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest

from mcptasks.model.process_failures import Limit
from mcptasks.model.task import Reason
from mcptasks.model.task_template import WarmPool
from mcptasks_operator.deciding.object_facts import Disruption, PodFacts, RunningState, WaitingState, WorkerFacts
from mcptasks_operator.deciding.pool_plan import PoolDemand, PoolFailures, PoolMember, evidence_of, plan, stuck_from
from tests.unit.operator.builders import POLICY, at, exited, make_pod

TWO = WarmPool(min_workers=2, max_workers=4, tasks_per_worker=0)
NO_FAILURES = PoolFailures()
START = Limit(300, "the operator")
NO_DEMAND = PoolDemand()


def pod(number: int = 1, *, drains: bool = False, **facts: Any) -> PodFacts:
    return make_pod(number, facts.pop("state", RunningState(at(3))), worker=WorkerFacts(drains=drains), **facts)


def ready(
    number: int = 1, *, current: bool = True, tasks: int = 0, idle_since: datetime | None = None, **facts: Any
) -> PoolMember:
    return PoolMember(pod(number, ready=True, **facts), current, tasks, None if tasks else idle_since or at(0))


def starting(number: int = 1, *, drains: bool = False) -> PoolMember:
    return PoolMember(pod(number, state=WaitingState("ContainerCreating"), drains=drains))


def away(number: int, tasks: int = 0) -> PoolMember:
    """One whose node does not answer."""
    return PoolMember(pod(number, node_lost=True), tasks=tasks, was_ready=True)


def crashed(number: int = 1, code: int = 1, message: str = "") -> PoolMember:
    return PoolMember(pod(number, state=exited(code, message=message, finished=-15)))


@dataclass(frozen=True)
class PoolCase:
    """A pool, and what is to be done about it 20 s after T0."""

    name: str
    members: tuple[PoolMember, ...] = ()
    pool: WarmPool = TWO
    waiting: int = 0
    given_away: int = 0
    failures: PoolFailures = NO_FAILURES
    demand: PoolDemand = NO_DEMAND
    create: int = 0
    repeat: int = 0
    drain: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    requeue: float | None = None


def stuck(number: int = 1, *, drains: bool = False, tasks: int = 0, since: float = -400) -> PoolMember:
    """Started, and not ready for longer than it may be (since T0)."""
    found = pod(number, drains=drains, unready_since=at(since), state=RunningState(at(since)))
    return PoolMember(found, tasks=tasks, stuck_from=stuck_from(found, START))


def sidecar_left(number: int = 1, code: int = 0) -> PoolMember:
    """Its container has ended, and another one has not."""
    return PoolMember(pod(number, state=exited(code, finished=-15), phase="Running"), was_ready=True)


CASES = [
    PoolCase("one that stands still makes room for another", (stuck(1), ready(2)), create=1, drain=("report-abc-1",)),
    PoolCase(
        "it does not count as one that starts",
        tuple(map(stuck, (1, 2, 3, 4))),
        WarmPool(min_workers=4, max_workers=4),
        create=4,
        drain=tuple(f"report-abc-{number}" for number in (1, 2, 3, 4)),
    ),
    PoolCase("and goes", (stuck(1, drains=True), ready(2), ready(3)), delete=("report-abc-1",)),
    PoolCase("but not with what it may run", (stuck(1, drains=True, tasks=1), ready(2), ready(3)), pool=TWO, delete=()),
    PoolCase(
        "one whose sidecar goes on has ended as well",
        (sidecar_left(1), ready(2)),
        create=1,
        delete=("report-abc-1",),
    ),
    PoolCase("also as the last one that failed", (sidecar_left(1, code=1), ready(2)), create=1),
    PoolCase("until then it is waited for", (stuck(1, since=-340 + 30), ready(2)), requeue=30),
    PoolCase("an empty pool is filled to its least", create=2),
    PoolCase("what starts is not made again", (starting(1),), create=1),
    PoolCase("a full one is let be", (ready(1), ready(2))),
    PoolCase("tasks that wait have more made", (ready(1, tasks=1), ready(2, tasks=1)), waiting=1, create=1),
    PoolCase("up to the most", (ready(1, tasks=1), ready(2, tasks=1)), waiting=50, create=2),
    PoolCase("few start at a time", pool=WarmPool(min_workers=19, max_workers=19), create=4),
    PoolCase(
        "which counts those that start",
        (starting(1), starting(2), starting(3)),
        WarmPool(min_workers=19, max_workers=19),
        create=1,
    ),
    PoolCase("none is kept where none is wanted", pool=WarmPool(min_workers=0)),
    PoolCase("the first task has one made", pool=WarmPool(min_workers=0), waiting=1, create=1),
    PoolCase(
        "a worker that takes ten at a time is enough for ten",
        (ready(1, tasks=3),),
        WarmPool(min_workers=1, tasks_per_worker=0, concurrency=10),
        waiting=7,
    ),
    PoolCase(
        "an idle one above the least drains after a while",
        (ready(1), ready(2, idle_since=at(10)), ready(3, idle_since=at(15))),
        WarmPool(min_workers=2, idle_seconds=20),
        drain=("report-abc-1",),
        requeue=10.0,
    ),
    PoolCase(
        "not before",
        (ready(1, idle_since=at(10)), ready(2, idle_since=at(12)), ready(3, idle_since=at(15))),
        WarmPool(min_workers=2, idle_seconds=20),
        requeue=10.0,
    ),
    PoolCase(
        "above the most at once",
        (ready(1, idle_since=at(12)), ready(2, idle_since=at(10)), ready(3, tasks=1), ready(4, tasks=1)),
        WarmPool(min_workers=0, max_workers=3, idle_seconds=20),
        drain=("report-abc-2",),
        requeue=10.0,
    ),
    PoolCase(
        "a busy one never",
        (ready(1, tasks=1), ready(2, tasks=1), ready(3, tasks=1)),
        WarmPool(min_workers=0, max_workers=1, idle_seconds=1),
    ),
    PoolCase(
        "outdated ones stay until there is a new one", (ready(1, current=False), ready(2, current=False)), create=2
    ),
    PoolCase("while that starts", (ready(1, current=False), starting(2), starting(3))),
    PoolCase(
        "then they drain, busy or not",
        (ready(1, current=False, tasks=1), ready(2, current=False), ready(3), ready(4)),
        drain=("report-abc-2", "report-abc-1"),
    ),
    PoolCase("one that drains is replaced", (ready(1, drains=True, tasks=1), ready(2)), create=1),
    PoolCase("one that is evicted too", (ready(1, disruption=Disruption("EvictionByEvictionAPI")), ready(2)), create=1),
    PoolCase("one that is deleted too", (ready(1, deletion_due=at(60)), ready(2)), create=1),
    PoolCase(
        "one that has ended goes",
        (PoolMember(pod(1, state=exited(0, finished=-15))), ready(2), ready(3)),
        delete=("report-abc-1",),
    ),
    PoolCase(
        "but not while a task of it is not looked after",
        (PoolMember(pod(1, state=exited(0, finished=-15)), tasks=1), ready(2), ready(3)),
    ),
    PoolCase(
        "the last that failed stays for its log",
        (crashed(1), crashed(2), ready(3), ready(4)),
        delete=("report-abc-1",),
    ),
    PoolCase(
        "one that has just ended stays for a while",
        (PoolMember(pod(1, state=exited(0, finished=15))), ready(2), ready(3)),
        requeue=25.0,
    ),
    PoolCase(
        "others are made ahead of calls where each runs one task",
        (ready(1, tasks=1), ready(2)),
        WarmPool(min_workers=2, max_workers=5, tasks_per_worker=1),
        create=1,
    ),
    PoolCase(
        "but never more than the most, with those that belong to their tasks' Jobs",
        (ready(1),),
        WarmPool(min_workers=2, max_workers=5, tasks_per_worker=1),
        waiting=50,
        given_away=3,
        create=1,
    ),
    PoolCase(
        "none where all belong to them",
        pool=WarmPool(min_workers=2, max_workers=5, tasks_per_worker=1),
        waiting=50,
        given_away=6,
    ),
    PoolCase(
        "one that was never started goes when it is to drain",
        (starting(1, drains=True), ready(2), ready(3)),
        delete=("report-abc-1",),
    ),
    PoolCase("after a failure it pauses", (crashed(1),), failures=PoolFailures(1, at(18)), requeue=3.0),
    PoolCase("twice as long after two", (crashed(1),), failures=PoolFailures(2, at(18)), requeue=8.0),
    PoolCase("then it tries again", (crashed(1),), failures=PoolFailures(1, at(14)), create=2),
    PoolCase("what was asked for and not seen counts, and is asked for again", demand=PoolDemand(unseen=2), repeat=2),
    PoolCase("unless it is not wanted any more", (ready(1), ready(2)), demand=PoolDemand(unseen=1)),
    PoolCase(
        "what its workers will have done in time has none made",
        (ready(1, tasks=1),),
        WarmPool(min_workers=1, tasks_per_worker=0),
        waiting=50,
        demand=PoolDemand(task_seconds=0.05, start_seconds=3),
        requeue=1.0,
    ),
    PoolCase(
        "what they will not has",
        (ready(1, tasks=1),),
        WarmPool(min_workers=1, tasks_per_worker=0),
        waiting=50,
        demand=PoolDemand(task_seconds=2, start_seconds=3),
        create=4,
        requeue=1.0,
    ),
    PoolCase(
        "as many are kept as usually run",
        tuple(ready(number) for number in range(1, 4)),
        WarmPool(min_workers=1, tasks_per_worker=0, idle_seconds=5),
        demand=PoolDemand(calls_per_second=4, task_seconds=0.5),
        drain=("report-abc-1",),
        requeue=1.0,
    ),
    PoolCase(
        "workers for one task are made ahead for the calls that come meanwhile",
        (ready(1),),
        WarmPool(min_workers=1, max_workers=20, tasks_per_worker=1),
        demand=PoolDemand(calls_per_second=2, start_seconds=2),
        create=4,
        requeue=1.0,
    ),
    PoolCase(
        "one that was ready once is not made a second time",
        (replace(starting(1), was_ready=True), replace(starting(2), was_ready=True)),
    ),
    PoolCase(
        "one on a node that does not answer is replaced",
        (away(1), ready(2)),
        create=1,
    ),
    PoolCase(
        "and drains when another one is ready",
        (away(1, tasks=1), ready(2), ready(3)),
        drain=("report-abc-1",),
    ),
    PoolCase(
        "outdated ones drain as new ones take their place",
        (ready(1, current=False), ready(2, current=False), ready(3), starting(4)),
        drain=("report-abc-1",),
    ),
    PoolCase(
        "one that was never ready makes room at once",
        (replace(starting(1), current=False), replace(ready(2), current=False)),
        drain=("report-abc-1",),
        create=2,
    ),
    PoolCase(
        "where the quota has no room an idle one makes some",
        (ready(1, current=False, tasks=1), ready(2, current=False)),
        demand=PoolDemand(refused=True),
        drain=("report-abc-2",),
        create=2,
    ),
    PoolCase(
        "one at a time",
        (ready(1, current=False), ready(2, drains=True)),
        demand=PoolDemand(refused=True),
        create=2,
    ),
    PoolCase(
        "one on such a node makes no room",
        (away(1), away(2)),
        demand=PoolDemand(refused=True),
        create=2,
    ),
    PoolCase(
        "only a few more than the most while earlier ones run on",
        tuple(ready(number, drains=True, tasks=1) for number in range(1, 8)),
        WarmPool(min_workers=4, max_workers=4, tasks_per_worker=0),
        create=1,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_plan(case: PoolCase) -> None:
    demand = replace(case.demand, waiting=case.waiting, given_away=case.given_away)
    step = plan(case.pool, case.members, demand, case.failures, at(20))
    assert (step.create, step.repeat) == (case.create, case.repeat)
    assert tuple(each.name for each in step.drain) == case.drain
    assert tuple(each.name for each in step.delete) == case.delete
    assert step.requeue_after == (None if case.requeue is None else pytest.approx(case.requeue))


def test_a_task_waits_for_workers_that_are_ready() -> None:
    found = evidence_of([ready(1), ready(2, drains=True), crashed(3)], PoolFailures(9, at(10)), POLICY, at(12))
    assert (found.workers, found.cause, found.failure) == (1, None, None)


def test_a_module_that_cannot_be_loaded_ends_tasks_at_once() -> None:
    found = evidence_of([crashed(1, 66, "No module named 'pandas'")], PoolFailures(1, at(10)), POLICY, at(12))
    assert found.failure is not None
    assert found.failure.reason is Reason.MODULE_NOT_LOADABLE
    assert "No module named 'pandas'" in found.failure.cause


def test_workers_that_crash_end_tasks_after_some_of_them() -> None:
    once = evidence_of([crashed(1, 3)], PoolFailures(1, at(10)), POLICY, at(12))
    assert once.failure is None
    assert once.cause is not None
    assert "do not start: the process ended with exit code 3" in once.cause.cause
    assert evidence_of([crashed(3, 3)], PoolFailures(3, at(10)), POLICY, at(12)).failure is not None


def test_after_the_pause_a_task_waits_for_the_next_worker() -> None:
    """Without a task that waits none may be made, so that one failure would be the last word."""
    found = evidence_of([crashed(1, 66, "No module named 'pandas'")], PoolFailures(1, at(10)), POLICY, at(16))
    assert found.failure is None
    assert found.cause is not None


def test_what_ailed_workers_of_an_earlier_template_ends_no_task() -> None:
    never = replace(PoolMember(pod(1, state=WaitingState("InvalidImageName", "what is this"))), current=False)
    broken = replace(crashed(2, 66), current=False)
    found = evidence_of([never, broken, starting(3)], PoolFailures(1, at(10)), POLICY, at(12))
    assert found.failure is None


def test_what_keeps_a_worker_from_starting_is_what_its_tasks_wait_for() -> None:
    pulling = PoolMember(pod(1, state=WaitingState("ImagePullBackOff", "no such image")))
    found = evidence_of([pulling], NO_FAILURES, POLICY, at(12))
    assert found.failure is None
    assert found.cause is not None
    assert found.cause.reason is Reason.IMAGE_PULL_BACK_OFF


def test_tasks_wait_for_a_worker_that_loads_its_module() -> None:
    found = evidence_of([PoolMember(pod(1))], NO_FAILURES, POLICY, at(20))
    assert found.failure is None
    assert found.cause is not None
    assert "worker report-abc-1 is still loading its module" in found.cause.cause


def test_a_worker_counts_as_stuck_a_while_after_its_start_deadline_only() -> None:
    assert stuck_from(pod(1, ready=True, unready_since=None), START) is None
    assert stuck_from(pod(1, unready_since=at(5)), START) == at(365)
    assert stuck_from(pod(1, unready_since=at(5), state=WaitingState("ContainerCreating")), START) is None
    assert stuck_from(pod(1, unready_since=at(5), state=exited(1)), START) is None


def test_a_worker_that_can_never_start_ends_them() -> None:
    never = PoolMember(pod(1, state=WaitingState("InvalidImageName", "what is this")))
    assert evidence_of([never], NO_FAILURES, POLICY, at(12)).failure is not None


def test_a_worker_without_a_task_for_a_while_counts_as_idle() -> None:
    """Between two tasks each is for a moment."""
    members = [ready(1, idle_since=at(5)), ready(2, idle_since=at(19)), ready(3, tasks=1), starting(4)]
    found = evidence_of(members, NO_FAILURES, POLICY, at(20))
    assert (found.workers, found.idle) == (3, 1)
