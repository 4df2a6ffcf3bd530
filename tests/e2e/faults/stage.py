"""Brings tasks to each step of their life at one moment, and kills at that moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import httpx2

from mcptasks.model.base import JsonObject
from mcptasks.model.task_template import Executor as TaskExecutor
from tests.e2e.api import ClusterApi, task_of
from tests.e2e.faults.components import Victim
from tests.e2e.faults.model import YOUNG_STEPS, FaultTool, Step, describe
from tests.e2e.faults.patient_client import PatientClient

SMALL, LARGE = 6, 200_000
RUN_SECONDS = 6.0


@dataclass(frozen=True)
class Staged:
    """A task that was at a step, or near it, when the component was killed."""

    step: Step
    task_id: str
    size: int
    tool: FaultTool
    seen: str = ""


@dataclass(frozen=True)
class TaskOrder:
    """A task to be created: it answers at `moment` with a text of `size`; `ttl` in seconds."""

    step: Step
    ttl: float
    tool: FaultTool
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
class FaultStage:
    """Where tasks are staged. `copies`: how many tasks at each step."""

    api: ClusterApi
    client: PatientClient
    pace: Pace
    copies: int = 1

    def strike(self, victim: Victim, aside: Executor) -> tuple[list[Staged], Future[object]]:
        """Kill the victim with tasks at every step. It comes back beside what happens next: the future tells when."""
        at = time.time() + self.pace.lead
        tools = [victim.tools[copy % len(victim.tools)] for copy in range(self.copies)]
        with ThreadPoolExecutor(8) as pool:
            early = [order for copy, tool in enumerate(tools) for order in self._early(at, 0.05 * copy, tool, victim)]
            staged = list(pool.map(self._create, early))
        fire = victim.aim()
        with ThreadPoolExecutor(3 + 2 * self.copies) as pool:
            staged += self._young(at, victim, tools, pool)
            seen = Glance.begin(self.api, pool)
            firing = aside.submit(fire)
            return [replace(one, seen=seen.of(one.task_id)) for one in staged], firing

    def _early(self, at: float, later: float, tool: FaultTool, victim: Victim) -> list[TaskOrder]:
        lead = self.pace.lead
        kept = lead + self.pace.kept
        # What waits for a worker may have its turn only after the kill.
        finished_kept = kept if victim.executor is TaskExecutor.WARM else lead + self.pace.finished_kept
        return [
            TaskOrder(Step.RUNNING, kept, tool, at + RUN_SECONDS),
            TaskOrder(Step.DELIVERING, kept, tool, at + 0.02 + later, LARGE),
            TaskOrder(Step.DELIVERING, kept, tool, at + 0.12 + later),
            TaskOrder(Step.FINISHED, finished_kept, tool, size=LARGE),
            TaskOrder(Step.EXPIRING, lead + 0.5, tool, size=LARGE),
        ]

    def _young(self, at: float, victim: Victim, tools: list[FaultTool], pool: ThreadPoolExecutor) -> list[Staged]:
        """Tasks that are created when the one before is about a step further; returns when it is time to kill."""
        time.sleep(max(0.0, at - self.pace.young - time.time()))
        slow, *quick = YOUNG_STEPS[victim.executor]
        staged = self._same(TaskOrder(slow, self.pace.kept, tools[0]), tools, pool)
        if slow is Step.PENDING:
            self._until(at - self.pace.last, lambda: _have(self.api.pods(), staged))
        time.sleep(max(0.0, at - self.pace.last - time.time()))
        made = [
            one
            for step in quick
            for one in self._same(TaskOrder(step, self.pace.kept, tools[0], size=LARGE), tools, pool)
        ]
        last = TaskOrder(Step.CREATED, self.pace.kept, tools[0])
        created = [pool.submit(self._create, replace(last, tool=tool)) for tool in tools]
        self._until(at, lambda: all(one.done() for one in created) and _have(self.api.jobs(), made))
        return [*staged, *made, *(one.result() for one in created)]

    def _same(self, order: TaskOrder, tools: list[FaultTool], pool: ThreadPoolExecutor) -> list[Staged]:
        return list(pool.map(self._create, [replace(order, tool=tool) for tool in tools]))

    def _until(self, moment: float, look: Callable[[], bool]) -> None:
        while time.time() < moment and not look():
            time.sleep(0.01)

    def _create(self, order: TaskOrder) -> Staged:
        arguments = {"moment": order.moment, "size": order.size}
        task_id = self.client.create(order.tool.name, arguments, ttl=int(order.ttl * 1000))
        return Staged(order.step, task_id, order.size, order.tool)


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
        except httpx2.HTTPError:
            return "unknown"
        return describe(task, job, pod)


def _of(task_id: str, items: list[JsonObject]) -> JsonObject | None:
    return next((item for item in items if task_of(item) == task_id), None)


def _have(items: list[JsonObject], staged: list[Staged]) -> bool:
    return all(_of(one.task_id, items) for one in staged)
