"""Brings tasks to each step of their life at one moment, and kills at that moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import httpx

from mcptasks.resources import JsonObject
from tests.e2e.api import ClusterApi, task_of
from tests.e2e.faults.components import Victim
from tests.e2e.faults.model import Step, describe
from tests.e2e.faults.patience import PatientClient

SMALL, LARGE = 6, 200_000
RUN_SECONDS = 6.0


@dataclass(frozen=True)
class Staged:
    """A task that was at a step, or near it, when the component was killed."""

    step: Step
    task_id: str
    size: int
    seen: str = ""


@dataclass(frozen=True)
class Order:
    """A task to be created: it answers at `moment` with a text of `size`; `ttl` in seconds."""

    step: Step
    ttl: float
    moment: float = 0
    size: int = SMALL


@dataclass(frozen=True)
class Pace:
    """How long before the kill tasks are created, in seconds: those that are to run at it, the one whose Pod is to be
    pending, and the last two; and how long tasks, and the one that is finished at the kill, are kept after it."""

    lead: float
    young: float
    last: float
    kept: float
    finished_kept: float


@dataclass(frozen=True)
class Stage:
    """Where tasks are staged."""

    api: ClusterApi
    client: PatientClient
    pace: Pace

    def strike(self, victim: Victim) -> list[Staged]:
        """Kill the victim with tasks at every step; returns once it has been told to come back."""
        at = time.time() + self.pace.lead
        with ThreadPoolExecutor(8) as pool:
            staged = list(pool.map(self._create, self._early(at)))
        fire = victim.aim()
        with ThreadPoolExecutor(4) as pool:
            staged += self._young(at, pool)
            seen = Glance.begin(self.api, pool)
            fire()
            return [replace(one, seen=seen.of(one.task_id)) for one in staged]

    def _early(self, at: float) -> list[Order]:
        lead = self.pace.lead
        kept = lead + self.pace.kept
        return [
            Order(Step.RUNNING, kept, at + RUN_SECONDS),
            Order(Step.DELIVERING, kept, at + 0.02, LARGE),
            Order(Step.DELIVERING, kept, at + 0.12),
            Order(Step.FINISHED, lead + self.pace.finished_kept, size=LARGE),
            Order(Step.EXPIRING, lead + 0.5, size=LARGE),
        ]

    def _young(self, at: float, pool: ThreadPoolExecutor) -> list[Staged]:
        """Three tasks, each created when the one before is about a step further; returns when it is time to kill."""
        time.sleep(max(0.0, at - self.pace.young - time.time()))
        pending = self._create(Order(Step.PENDING, self.pace.kept))
        self._until(at - self.pace.last, lambda: _has(self.api.pods(), pending))
        time.sleep(max(0.0, at - self.pace.last - time.time()))
        job_made = self._create(Order(Step.JOB_MADE, self.pace.kept, size=LARGE))
        created = pool.submit(self._create, Order(Step.CREATED, self.pace.kept))
        self._until(at, lambda: created.done() and _has(self.api.jobs(), job_made))
        return [pending, job_made, created.result()]

    def _until(self, moment: float, look: Callable[[], bool]) -> None:
        while time.time() < moment and not look():
            time.sleep(0.01)

    def _create(self, order: Order) -> Staged:
        arguments = {"moment": order.moment, "size": order.size}
        task_id = self.client.create("until", arguments, ttl=int(order.ttl * 1000))
        return Staged(order.step, task_id, order.size)


@dataclass(frozen=True)
class Glance:
    """The state of all tasks at one moment, read while something else goes on; what was not answered is unknown."""

    tasks: Future[dict[str, JsonObject]]
    jobs: Future[list[JsonObject]]
    pods: Future[list[JsonObject]]

    @classmethod
    def begin(cls, api: ClusterApi, pool: ThreadPoolExecutor) -> Glance:
        return cls(pool.submit(api.tasks), pool.submit(api.jobs), pool.submit(api.pods))

    def of(self, task_id: str) -> str:
        """A task's state in a few words."""
        try:
            task = self.tasks.result().get(task_id)
            job, pod = (_of(task_id, found.result()) for found in (self.jobs, self.pods))
        except httpx.HTTPError:
            return "unknown"
        return describe(task, job, pod)


def _of(task_id: str, items: list[JsonObject]) -> JsonObject | None:
    return next((item for item in items if task_of(item) == task_id), None)


def _has(items: list[JsonObject], staged: Staged) -> bool:
    return _of(staged.task_id, items) is not None
