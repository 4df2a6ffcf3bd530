"""Which workers a template should have: how many to make, which are to drain, which Pods to delete. Pure.

A worker that drains takes nothing new, and ends once it runs nothing. No Pod that may run a task is ever deleted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor

from mcptasks.gateway.contract import RunnerExitCode
from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.process_failures import Limit
from mcptasks.model.task import Reason
from mcptasks.model.task_template import WarmPool
from mcptasks_operator.deciding.failures import diagnose_worker
from mcptasks_operator.deciding.gathered_evidence import PoolEvidence
from mcptasks_operator.deciding.object_facts import PodFacts, RunningState, TerminatedState
from mcptasks_operator.deciding.policy import Policy
from mcptasks_operator.deciding.start_failures import diagnose_waiting, permanent_start_failure

FEW = 4
FEW_OF_MANY = 4
"""How many workers start at the same time: each keeps a core busy while it imports its module. A pool that may have
many has more nodes, and a quarter of them may start."""

FIRST_PAUSE_SECONDS = 5.0
MAX_PAUSE_SECONDS = 300.0
"""Pauses before workers are made again that have failed: doubling."""

ENDED_SECONDS = 30.0
"""How long a Pod that has ended stays: that of a worker for one task becomes its Job's in that time."""

IDLE_SECONDS = 10.0
"""A worker that is ready and has had nothing to do for so long, while tasks wait, gets none."""

STUCK_SLACK_SECONDS = 60.0
"""How much longer than the start deadline a worker that runs may not be ready."""

FAILURES_BEFORE_TASKS_FAIL = 3
"""After so many workers in a row that crashed at their start tasks do not wait any longer. One that cannot load its
module is enough: the next one cannot either."""

USUAL_START_SECONDS = 3.0
"""How long a worker takes to be ready, before any was seen."""

LOOK_AGAIN_SECONDS = 1.0
"""How often the pool is looked at while tasks wait of which its workers may take care in time."""


@dataclass(frozen=True, slots=True)
class PoolMember:
    """A worker's Pod: how many tasks it has, and since when it has none (from its start, if it never had one).

    `stuck_from`: from when on it counts as stuck, if it is not ready by then (`stuck_from`); None where it is.
    `was_ready`: it has been ready before. One that is not any more may be again, and is not made a second time.
    """

    pod: PodFacts
    current: bool = True
    tasks: int = 0
    idle_since: datetime | None = None
    stuck_from: datetime | None = None
    was_ready: bool = False

    def is_stuck(self, now: datetime) -> bool:
        """Whether its process runs, does not get ready any more, and nothing is heard of its end either."""
        return self.stuck_from is not None and now >= self.stuck_from

    @property
    def drains(self) -> bool:
        return self.pod.worker is not None and self.pod.worker.drains

    @property
    def leaving(self) -> bool:
        """Whether it takes nothing new."""
        return self.drains or self.pod.deleting or self.pod.runner_ended or self.pod.disruption is not None

    @property
    def lasting(self) -> bool:
        """Whether it is as workers are made now, on a node that answers. Others are replaced."""
        return self.current and not self.pod.node_lost

    @property
    def starting(self) -> bool:
        return not self.pod.ready and not self.was_ready


def stuck_from(pod: PodFacts, start: Limit) -> datetime | None:
    """From when on a worker that runs and is not ready counts as stuck; None where that cannot be.

    A worker ends by itself at its start deadline, with the reason. So this is about one whose own process stands still.
    """
    if pod.ready or pod.unready_since is None or not isinstance(pod.runner.state, RunningState):
        return None
    since = max(pod.unready_since, pod.runner.state.started_at or pod.unready_since)
    return since + timedelta(seconds=start.seconds + STUCK_SLACK_SECONDS)


@dataclass(frozen=True, slots=True)
class PoolFailures:
    """Workers in a row that have ended without ever being ready, and when the last of them did.

    `made_from` is the hash that they had in common: others may well start.
    """

    count: int = 0
    last_at: datetime | None = None
    made_from: str = ""

    def pause_until(self) -> datetime | None:
        """Before this no worker is made."""
        if not self.count or self.last_at is None:
            return None
        seconds = min(FIRST_PAUSE_SECONDS * 2.0 ** min(self.count - 1, 16), MAX_PAUSE_SECONDS)
        return self.last_at + timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """What to do now, and when to look again at the latest.

    `create` new workers; besides them, of the workers that were asked for and have not been seen, `repeat` are asked
    for again by their names.
    """

    create: int = 0
    repeat: int = 0
    drain: tuple[PodFacts, ...] = ()
    delete: tuple[PodFacts, ...] = ()
    wanted: int = 0
    requeue_after: float | None = None


@dataclass(frozen=True, slots=True)
class PoolDemand:
    """What is asked of a template's workers.

    `waiting`: tasks that have no worker yet. `given_away`: workers that the Jobs of tasks have taken over. `unseen`:
    workers that were asked for and have not been seen. `refused`: the last one asked for was refused.
    `calls_per_second`, `task_seconds` (None: nobody knows) and `start_seconds` are estimates.
    """

    waiting: int = 0
    given_away: int = 0
    unseen: int = 0
    refused: bool = False
    calls_per_second: float = 0.0
    task_seconds: float | None = None
    start_seconds: float = USUAL_START_SECONDS


def plan(
    pool: WarmPool, members: Sequence[PoolMember], demand: PoolDemand, failures: PoolFailures, now: datetime
) -> PoolPlan:
    """The next step of a template's pool."""
    there = [member for member in members if not member.leaving]
    stuck = [member for member in there if member.is_stuck(now)]
    lasting = [member for member in there if member.lasting and member not in stuck]
    wanted = wanted_workers(pool, members, demand)
    replaced = (member for member in _replaced(members, lasting, wanted, demand) if member not in stuck)
    drain = [*stuck, *replaced, *_surplus(pool, lasting, wanted, now)]
    pause = failures.pause_until()
    paused = pause is not None and now < pause
    missing = max(wanted - len(lasting) - demand.unseen, 0)
    room = max(min(_room_to_start(pool, lasting, demand), _room_beside(pool, members, demand, now)), 0)
    return PoolPlan(
        create=0 if paused else min(missing, room),
        repeat=0 if paused else min(demand.unseen, max(wanted - len(lasting), 0)),
        drain=tuple(member.pod for member in drain),
        delete=_deletable(members, now),
        wanted=wanted,
        requeue_after=_requeue_after(pool, members, lasting, wanted, pause if missing else None, demand, now),
    )


def wanted_workers(pool: WarmPool, members: Sequence[PoolMember], demand: PoolDemand) -> int:
    """Enough for what runs and waits and is about to be called for, between the pool's limits."""
    running = sum(member.tasks for member in members if not member.leaving)
    tasks = max(running + _still_waiting(pool, members, demand) + _ahead(pool, demand), _usual_load(pool, demand))
    useful = -(-tasks // pool.concurrency)
    return max(min(max(useful, pool.min_workers), pool.max_workers - demand.given_away), 0)


def _still_waiting(pool: WarmPool, members: Sequence[PoolMember], demand: PoolDemand) -> int:
    """How many of the tasks that wait will do so when a worker that is made now is ready.

    The others have been run by then, by workers that are reused: a worker more would only take a core from them.
    """
    if pool.tasks_per_worker or demand.task_seconds is None:
        return demand.waiting
    slots = pool.concurrency * sum(1 for m in members if m.pod.ready and m.lasting and not m.leaving)
    if not slots:
        return demand.waiting
    served = slots * demand.start_seconds / max(demand.task_seconds, 0.001)
    return max(ceil(demand.waiting - served), 0)


def _ahead(pool: WarmPool, demand: PoolDemand) -> int:
    """Tasks that will be called for until a worker that was used up is replaced."""
    if not pool.tasks_per_worker:
        return 0
    used_up = demand.calls_per_second * demand.start_seconds / pool.tasks_per_worker
    # One for one task serves nobody else while it runs it: the least are kept ready besides.
    return floor(used_up + 0.5) + (pool.min_workers if pool.tasks_per_worker == 1 else 0)


def _usual_load(pool: WarmPool, demand: PoolDemand) -> int:
    """How many tasks run at a time, as often as they are called for and as long as they take (Little's law)."""
    if pool.tasks_per_worker == 1 or demand.task_seconds is None:
        return 0
    return floor(demand.calls_per_second * demand.task_seconds + 0.5)


def starts_at_a_time(pool: WarmPool) -> int:
    """How many workers start at the same time; so many, too, are made above the most, while earlier ones finish."""
    return max(FEW, pool.max_workers // FEW_OF_MANY)


def _room_to_start(pool: WarmPool, lasting: Sequence[PoolMember], demand: PoolDemand) -> int:
    return starts_at_a_time(pool) - demand.unseen - sum(1 for member in lasting if member.starting)


def _room_beside(pool: WarmPool, members: Sequence[PoolMember], demand: PoolDemand, now: datetime) -> int:
    """How many Pods the pool may have more, beside all that are there.

    Those of a node that is gone never end, and do not count once they should have.
    """
    gone = timedelta(seconds=ENDED_SECONDS)
    there = sum(
        1
        for member in members
        if not member.pod.ended and not (member.pod.deletion_due is not None and member.pod.deletion_due + gone < now)
    )
    return pool.max_workers + starts_at_a_time(pool) - there - demand.given_away - demand.unseen


def _replaced(
    members: Sequence[PoolMember], lasting: Sequence[PoolMember], wanted: int, demand: PoolDemand
) -> list[PoolMember]:
    """Those of an earlier template, image or node: as many as have one of today's in their place.

    One that never was ready is of no use to anybody. Where there is no room for new ones, one that runs nothing makes
    some.
    """
    earlier = [member for member in members if not member.leaving and not member.lasting]
    useless = [member for member in earlier if member.starting]
    useful = sorted((m for m in earlier if not m.starting), key=lambda m: (m.tasks, m.pod.created_at, m.pod.name))
    ready = sum(1 for member in lasting if member.pod.ready)
    over = max(len(useful) - max(wanted - ready, 0), 0)
    stuck = demand.refused or any(member.pod.unschedulable for member in lasting)
    if over or not stuck or any(member.leaving and not member.pod.ended for member in members):
        return [*useless, *useful[:over]]
    return [*useless, *[member for member in useful if not member.tasks and not member.current][:1]]


def _surplus(pool: WarmPool, lasting: Sequence[PoolMember], wanted: int, now: datetime) -> list[PoolMember]:
    """Idle for long enough, above what is wanted; those that have been idle for longest first.

    Above the most, as where that was lowered, at once: where there is always something to do none is idle for long.
    """
    limit = now - timedelta(seconds=pool.idle_seconds)
    idle = sorted((since, m.pod.name, m) for m in lasting if not m.tasks and (since := m.idle_since) is not None)
    beyond = len(lasting) - pool.max_workers
    surplus = idle[: max(len(lasting) - wanted, 0)]
    return [member for place, (since, _, member) in enumerate(surplus) if place < beyond or since <= limit]


def _deletable(members: Sequence[PoolMember], now: datetime) -> tuple[PodFacts, ...]:
    """Pods that have ended some time ago, but for the last one that failed: its log says why.

    Those count as ended whose other containers, as a sidecar, would keep them.
    One that is to drain and has not been started, as for want of its image, or stands still, hears of nothing and would
    stay for ever.
    """
    ended = [m.pod for m in members if m.pod.runner_ended and not m.pod.deleting and not m.tasks]
    failed = [pod for pod in ended if pod.runner_failed]
    kept = max(failed, key=lambda pod: (pod.created_at, pod.name), default=None)
    limit = now - timedelta(seconds=ENDED_SECONDS)
    going = [m for m in members if m.drains and not (m.pod.runner_ended or m.pod.deleting or m.tasks)]
    deaf = [m.pod for m in going if not m.pod.started or m.is_stuck(now)]
    return (*(pod for pod in ended if pod is not kept and pod.ended_at <= limit), *deaf)


def _requeue_after(
    pool: WarmPool,
    members: Sequence[PoolMember],
    lasting: Sequence[PoolMember],
    wanted: int,
    pause: datetime | None,
    demand: PoolDemand,
    now: datetime,
) -> float | None:
    moments = [] if pause is None else [pause]
    moments += [m.pod.ended_at + timedelta(seconds=ENDED_SECONDS) for m in members if m.pod.runner_ended]
    moments += [m.stuck_from for m in members if m.stuck_from is not None and not m.pod.ended]
    if len(lasting) > wanted:
        idle = (m.idle_since for m in lasting if not m.tasks and m.idle_since is not None)
        moments += [since + timedelta(seconds=pool.idle_seconds) for since in idle]
    if _still_waiting(pool, members, demand) < demand.waiting or _falls(pool, demand):
        moments.append(now + timedelta(seconds=LOOK_AGAIN_SECONDS))
    later = [(moment - now).total_seconds() for moment in moments if moment > now]
    return max(min(later), 0.05) if later else None


def _falls(pool: WarmPool, demand: PoolDemand) -> bool:
    """Whether fewer workers will be wanted although nothing happens: the calls a second fall by themselves."""
    least = pool.min_workers if pool.tasks_per_worker == 1 else 0
    return _ahead(pool, demand) > least or _usual_load(pool, demand) > 0


def evidence_of(members: Sequence[PoolMember], failures: PoolFailures, policy: Policy, now: datetime) -> PoolEvidence:
    """What the pool's state means for a task that waits for one of its workers.

    What kept workers of an earlier template from starting says nothing of today's. After a pause for failures a task
    waits for the next try: where there is no worker without a call, nothing else would bring it about.
    """
    ready = [member for member in members if member.pod.ready and not member.leaving]
    since = now - timedelta(seconds=IDLE_SECONDS)
    idle = sum(1 for m in ready if not m.tasks and m.idle_since is not None and m.idle_since <= since)
    return PoolEvidence(len(ready), idle) if ready else shortage_of(members, failures, policy, now)


def shortage_of(members: Sequence[PoolMember], failures: PoolFailures, policy: Policy, now: datetime) -> PoolEvidence:
    """What keeps workers from being ready that are wanted."""
    members = [member for member in members if member.current]
    starting = [member.pod for member in members if not member.leaving]
    for pod in starting:
        if (permanent := permanent_start_failure(pod)) is not None:
            return PoolEvidence(cause=permanent, failure=permanent)
    if (crash := _last_crash(members, policy)) is not None:
        will_not_recover = crash.reason is Reason.MODULE_NOT_LOADABLE or failures.count >= FAILURES_BEFORE_TASKS_FAIL
        pause = failures.pause_until()
        gives_up = will_not_recover and pause is not None and now < pause
        return PoolEvidence(cause=crash, failure=crash if gives_up else None)
    waits = next(filter(None, map(diagnose_waiting, starting)), None)
    return PoolEvidence(cause=waits or next(filter(None, map(_loading, starting)), None))


def _loading(pod: PodFacts) -> Diagnosis | None:
    """What a worker does that has been started and is not ready."""
    if not isinstance(pod.runner.state, RunningState):
        return None
    return Diagnosis(
        Reason.PENDING,
        f"worker {pod.name} is still loading its module",
        f"Look at the log of Pod {pod.name}, or raise startDeadlineSeconds of the template",
    )


def _last_crash(members: Sequence[PoolMember], policy: Policy) -> Diagnosis | None:
    failed = [m.pod for m in members if m.pod.runner_failed and not m.pod.deleting]
    if not failed:
        return None
    return crash_of(max(failed, key=lambda each: (each.created_at, each.name)), policy)


def crash_of(pod: PodFacts, policy: Policy) -> Diagnosis:
    """Why a worker has failed, as a reason why its template has none."""
    state = pod.runner.state
    if isinstance(state, TerminatedState) and state.exit_code == RunnerExitCode.MODULE_NOT_LOADED:
        return Diagnosis(
            Reason.MODULE_NOT_LOADABLE,
            f"the workers of McpTaskTemplate {policy.template} cannot load their module: {state.message.strip()}",
            "Make sure that the image of the task Pods has the module and all that it imports",
            state.exit_code,
        )
    found = diagnose_worker(pod, policy, 1)
    return Diagnosis(
        found.reason,
        f"the workers of McpTaskTemplate {policy.template} do not start: {found.cause}",
        found.hint or f"Look at the log of Pod {pod.name}",
        found.exit_code,
    )
