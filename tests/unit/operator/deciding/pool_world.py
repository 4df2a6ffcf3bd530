"""A small cluster in which a pool lives, second by second: Pods that start, take tasks, drain and end.

The operator in it is the real plan with the real book of what was asked for. It may see the world as it was some
seconds ago, and may get no answer to what it asks for. Everything else is a model: workers, nodes, quota, callers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mcptasks.model.task_template import WarmPool
from mcptasks_operator.acting.expected_workers import ExpectedWorkers
from mcptasks_operator.deciding.object_facts import ContainerState, PodFacts, RunningState, WaitingState, WorkerFacts
from mcptasks_operator.deciding.pool_estimates import PoolEstimates
from mcptasks_operator.deciding.pool_plan import (
    USUAL_START_SECONDS,
    PoolDemand,
    PoolFailures,
    PoolMember,
    PoolPlan,
    plan,
)
from tests.unit.operator.builders import at, exited, make_pod

TEMPLATE = "template-uid"
NEVER = 10**9


@dataclass
class ModelWorker:
    """A worker's Pod as it is. `running` has since when each of its tasks runs, and until when."""

    number: int
    version: int
    made: int
    ready_at: int
    drains: bool = False
    drains_at: int = 0
    ended: int | None = None
    taken: int = 0
    running: list[tuple[int, int]] = field(default_factory=list)
    idle_since: int | None = None
    crashed: bool = False

    @property
    def name(self) -> str:
        return f"w-{self.number}"

    def facts(self, now: int) -> PodFacts:
        ready = self.ended is None and now >= self.ready_at
        state: ContainerState = RunningState(at(self.made)) if now > self.made else WaitingState("ContainerCreating")
        if self.ended is not None:
            # Relative to T0 as all moments are.
            state = exited(1 if self.crashed else 0, finished=self.ended)
        facts = make_pod(
            self.number,
            state,
            created_at=at(self.made),
            started_at=at(self.made),
            ready=ready,
            ready_at=at(self.ready_at) if ready else None,
            worker=WorkerFacts(drains=self.drains),
        )
        return replace(facts, name=self.name, uid=self.name)


@dataclass
class PoolWorld:
    """What happens around a pool.

    `start_seconds`: how long a worker made in a second takes to be ready, NEVER for one that never is. `crashes`:
    whether it ends at its start instead. `grace`: how long one takes to end that is told to.
    """

    pool: WarmPool
    start_seconds: Callable[[int], int] = lambda _now: 2
    crashes: Callable[[int], bool] = lambda _now: False
    quota: Callable[[int], int] = lambda _now: NEVER
    answered: Callable[[int], bool] = lambda _now: True
    lag: int = 0
    grace: int = 0
    version: int = 0
    now: int = 0
    workers: dict[str, ModelWorker] = field(default_factory=dict)
    waiting: list[int] = field(default_factory=list)
    finished: int = 0
    asked: int = 0
    estimates: PoolEstimates = field(default_factory=PoolEstimates)
    expected: ExpectedWorkers = field(default_factory=ExpectedWorkers)
    failures: PoolFailures = field(default_factory=PoolFailures)
    refused: bool = False
    history: list[tuple[list[PoolMember], int]] = field(default_factory=list)
    last: PoolPlan = field(default_factory=PoolPlan)
    _was_ready: set[str] = field(default_factory=set)
    _counted: set[str] = field(default_factory=set)

    def tick(self, calls: tuple[int, ...] = ()) -> None:
        """A second passes. `calls` are new tasks: how long each takes."""
        self.now += 1
        for seconds in calls:
            self.waiting.append(seconds)
            self.estimates = self.estimates.called(at(self.now))
        self._work()
        self._hand_out()
        self.history.append((self._members(), len(self.waiting)))
        self._operate()

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.tick()

    # --- workers ---

    @property
    def alive(self) -> list[ModelWorker]:
        return [worker for worker in self.workers.values() if worker.ended is None]

    @property
    def busy(self) -> bool:
        return any(worker.running for worker in self.alive)

    @property
    def lasting(self) -> list[ModelWorker]:
        """Those of today's template that take tasks, or will."""
        return [worker for worker in self.alive if worker.version == self.version and not worker.drains]

    @property
    def starting(self) -> list[ModelWorker]:
        return [worker for worker in self.lasting if self.now < worker.ready_at]

    def _work(self) -> None:
        for worker in self.alive:
            if worker.crashed and self.now > worker.made + 1:
                worker.ended = self.now
            left = [task for task in worker.running if task[1] > self.now]
            for since, until in set(worker.running) - set(left):
                self.estimates = self.estimates.ran(until - since)
            self.finished += len(worker.running) - len(left)
            if worker.running and not left:
                worker.idle_since = self.now
            worker.running = left
            used_up = 0 < self.pool.tasks_per_worker <= worker.taken
            if not left and (used_up or (worker.drains and self.now > worker.drains_at + self.grace)):
                worker.ended = self.now

    def _hand_out(self) -> None:
        for worker in self.alive:
            if worker.drains or worker.version != self.version or self.now < worker.ready_at:
                continue
            while self.waiting and len(worker.running) < self.pool.concurrency:
                if 0 < self.pool.tasks_per_worker <= worker.taken:
                    break
                worker.running.append((self.now, self.now + self.waiting.pop(0)))
                worker.taken += 1

    # --- the operator ---

    def _members(self) -> list[PoolMember]:
        for worker in self.alive:
            if self.now >= worker.ready_at and worker.name not in self._was_ready:
                self.estimates = self.estimates.started(worker.ready_at - worker.made)
                self._was_ready.add(worker.name)
        return [
            PoolMember(
                pod=worker.facts(self.now),
                current=worker.version == self.version,
                tasks=len(worker.running),
                idle_since=at(worker.idle_since if worker.idle_since is not None else worker.made),
                was_ready=worker.name in self._was_ready,
            )
            for worker in self.workers.values()
        ]

    def seen(self) -> tuple[list[PoolMember], int]:
        """What the operator sees of the world: as it was `lag` seconds ago, but for the template of today."""
        members, waiting = self.history[max(len(self.history) - 1 - self.lag, 0)]
        current = {w.name: w.version == self.version for w in self.workers.values()}
        return [replace(m, current=current.get(m.pod.name, False)) for m in members], waiting

    def _operate(self) -> None:
        members, waiting = self.seen()
        for name in self.expected.unseen(TEMPLATE):
            if any(member.pod.name == name for member in members):
                self.expected.settle(TEMPLATE, name)
        self._count_failures(members)
        ages = [self.now - since for worker in self.alive for since, _ in worker.running]
        usual = self.estimates.task.seconds
        demand = PoolDemand(
            waiting=waiting,
            unseen=len(self.expected.unseen(TEMPLATE)),
            refused=self.refused,
            calls_per_second=self.estimates.calls_per_second(at(self.now)),
            task_seconds=None if usual is None else max(usual, sum(ages) / len(ages) if ages else 0.0),
            start_seconds=self.estimates.start.seconds or USUAL_START_SECONDS,
        )
        self.last = plan(self.pool, members, demand, self.failures, at(self.now))
        for pod in self.last.delete:
            self._delete(self.workers.get(pod.name))
        for pod in self.last.drain:
            if pod.name in self.workers:
                self.workers[pod.name].drains, self.workers[pod.name].drains_at = True, self.now
        unseen = self.expected.unseen(TEMPLATE)
        fresh = [f"w-{self.asked + number}" for number in range(1, self.last.create + 1)]
        for name in [*unseen[: self.last.repeat], *fresh]:
            if not self._ask_for(name):
                return

    def _delete(self, worker: ModelWorker | None) -> None:
        if worker is not None:
            assert not worker.running, "a Pod that runs a task is never deleted"
            del self.workers[worker.name]

    def _ask_for(self, name: str) -> bool:
        self.expected.ask(TEMPLATE, name, at(self.now))
        if name not in self.workers:
            if len(self.alive) >= self.quota(self.now):
                self.expected.settle(TEMPLATE, name)
                self.refused = True
                return False
            self.asked = max(self.asked, int(name.removeprefix("w-")))
            ready_at = self.now + self.start_seconds(self.now)
            self.workers[name] = ModelWorker(self.asked, self.version, self.now, ready_at)
            self.workers[name].crashed = self.crashes(self.now)
        self.refused = False
        return True

    def _count_failures(self, members: list[PoolMember]) -> None:
        if any(member.pod.ready and member.current for member in members):
            self.failures = PoolFailures()
        for member in members:
            if member.pod.phase == "Failed" and member.pod.uid not in self._counted:
                self._counted.add(member.pod.uid)
                self.failures = PoolFailures(self.failures.count + 1, member.pod.ended_at)
