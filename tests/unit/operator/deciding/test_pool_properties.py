"""What holds of a pool whatever happens around it, in a small model of a cluster."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcptasks.model.task_template import WarmPool
from mcptasks_operator.deciding.pool_plan import FEW, starts_at_a_time
from tests.unit.operator.deciding.pool_world import NEVER, PoolWorld

properties = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def pools(draw: st.DrawFn) -> WarmPool:
    most = draw(st.integers(1, 12))
    per_worker = draw(st.sampled_from([0, 0, 1, 3]))
    return WarmPool(
        min_workers=draw(st.integers(0, most)),
        max_workers=most,
        tasks_per_worker=per_worker,
        concurrency=draw(st.integers(1, 3)) if per_worker == 0 else 1,
        idle_seconds=draw(st.integers(1, 20)),
    )


QUIET_SECONDS = 45
"""Longer than workers may be idle, and ended Pods stay."""

traffic = st.lists(st.lists(st.integers(1, 30), max_size=6).map(tuple), max_size=25)
"""How long the tasks take that are called for in each second."""


def step(cluster: PoolWorld, calls: tuple[int, ...] = ()) -> None:
    """A second, and what holds at its end."""
    before = len(cluster.lasting)
    cluster.tick(calls)
    members, _ = cluster.seen()
    busy = {member.pod.name for member in members if member.tasks and member.current and not member.leaving}
    assert busy.isdisjoint(pod.name for pod in cluster.last.drain), "a busy worker of today is never drained"
    assert len(cluster.lasting) <= max(before, cluster.last.wanted), "never more Pods than planned"
    assert len(cluster.starting) <= starts_at_a_time(cluster.pool), "few start at a time"
    assert len(cluster.alive) <= cluster.pool.max_workers + starts_at_a_time(cluster.pool), "the most, and a few"


def settle(cluster: PoolWorld, seconds: int = 400) -> None:
    """Let the pool be, until it has had nothing to do for a while."""
    quiet = 0
    for _ in range(seconds):
        step(cluster)
        done = cluster.last
        idle = not (done.create or done.repeat or done.drain or done.delete or cluster.waiting or cluster.busy)
        there = done.wanted == cluster.pool.min_workers == len(cluster.lasting)
        quiet = quiet + 1 if idle and there else 0
        if quiet > QUIET_SECONDS:
            return


def assert_settled(cluster: PoolWorld) -> None:
    least = cluster.pool.min_workers
    assert not cluster.waiting, "every task has had its turn"
    assert (len(cluster.lasting), len(cluster.alive)) == (least, least), "as many are left as are kept"
    assert all(cluster.now >= worker.ready_at for worker in cluster.alive)
    assert (cluster.last.create, cluster.last.drain) == (0, ()), "there is nothing more to do"


@properties
@given(pools(), traffic, st.integers(0, 6), st.integers(1, 8))
def test_a_pool_runs_everything_and_comes_to_rest(
    pool: WarmPool, calls: list[tuple[int, ...]], lag: int, start: int
) -> None:
    """Also with an operator that sees the world, and what it has made itself, seconds late."""
    cluster = PoolWorld(pool, start_seconds=lambda _now: start, lag=lag)
    for each in calls:
        step(cluster, each)
    settle(cluster, 400 + 30 * sum(map(len, calls)))
    assert_settled(cluster)
    assert cluster.finished == sum(map(len, calls))


@properties
@given(pools(), traffic, st.integers(0, 30))
def test_pods_that_never_become_ready_are_not_made_again_and_again(
    pool: WarmPool, calls: list[tuple[int, ...]], lag: int
) -> None:
    cluster = PoolWorld(pool, start_seconds=lambda _now: NEVER, lag=lag)
    for each in calls:
        step(cluster, each)
    settle(cluster, 120)
    assert cluster.asked <= FEW


@properties
@given(pools(), traffic, st.integers(0, 3))
def test_a_quota_that_lets_none_start_holds_the_pool_up_only_as_long_as_it_lasts(
    pool: WarmPool, calls: list[tuple[int, ...]], lag: int
) -> None:
    cluster = PoolWorld(pool, quota=lambda now: 0 if now < 60 else NEVER, lag=lag)
    for each in calls:
        step(cluster, each)
    while cluster.now < 59:
        step(cluster)
        assert not cluster.alive
    settle(cluster, 400 + 30 * sum(map(len, calls)))
    assert_settled(cluster)


@properties
@given(pools(), st.integers(1, 40), st.integers(0, 4), st.integers(1, 6), st.sampled_from([0, 30]))
def test_a_template_that_changes_every_second_makes_no_crowd_of_pods(
    pool: WarmPool, changes: int, lag: int, start: int, grace: int
) -> None:
    cluster = PoolWorld(pool, start_seconds=lambda _now: start, lag=lag, grace=grace)
    for _ in range(changes):
        cluster.version += 1
        step(cluster, (2,))
    settle(cluster, 400 + 30 * changes)
    assert_settled(cluster)


@properties
@given(pools(), st.integers(1, 10), st.integers(0, 3))
def test_a_new_template_replaces_all_workers_though_the_quota_has_no_room(pool: WarmPool, busy: int, lag: int) -> None:
    cluster = PoolWorld(pool, quota=lambda _now: pool.max_workers, lag=lag)
    for _ in range(20):
        step(cluster)
    step(cluster, (25,) * busy)
    for _ in range(10):
        step(cluster)
    cluster.version += 1
    settle(cluster, 400 + 30 * busy)
    assert_settled(cluster)


@properties
@given(pools(), traffic, st.integers(1, 20))
def test_workers_that_crash_at_their_start_are_made_more_and_more_slowly(
    pool: WarmPool, calls: list[tuple[int, ...]], heals: int
) -> None:
    cluster = PoolWorld(pool, crashes=lambda now: now < 100 + heals)
    for each in calls:
        step(cluster, each)
    while cluster.now < 100:
        step(cluster)
    # Pauses of 5, 10, 20, 40 seconds leave room for few tries, of few workers each.
    assert cluster.asked <= 6 * FEW
    settle(cluster, 1200 + 30 * sum(map(len, calls)))
    assert_settled(cluster)


@properties
@given(st.integers(2, 6), st.integers(1, 3), st.integers(1, 5))
def test_workers_for_one_task_are_refilled_before_the_calls_come(least: int, every: int, start: int) -> None:
    """Steady calls, of no more at once than are kept, never wait once the pool knows how often they come."""
    pool = WarmPool(min_workers=least, max_workers=60, tasks_per_worker=1, idle_seconds=30)
    cluster = PoolWorld(pool, start_seconds=lambda _now: start)
    for second in range(180):
        step(cluster, (1,) * 2 if second % every == 0 else ())
        assert second < 120 or not cluster.waiting


@properties
@given(st.integers(2, 10), st.integers(1, 3), st.integers(0, 3))
def test_a_long_task_after_many_short_ones_holds_nobody_up(most: int, concurrency: int, lag: int) -> None:
    pool = WarmPool(min_workers=1, max_workers=most, tasks_per_worker=0, concurrency=concurrency, idle_seconds=10)
    cluster = PoolWorld(pool, lag=lag)
    for _ in range(20):
        step(cluster, (1,))
    step(cluster, (500,) * concurrency)
    step(cluster, (1,))
    for _ in range(30):
        step(cluster)
    assert not cluster.waiting
