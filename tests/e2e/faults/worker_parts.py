"""Workers as victims: each of their processes, and their Pods."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

import psutil

from mcptasks.model.base import LABEL_TEMPLATE, LABEL_WORKER, JsonObject
from mcptasks.model.task_template import Executor
from tests.e2e.cluster import MODULE, ClusterDeployment
from tests.e2e.embedded import MODULE as EMBEDDED_MODULE
from tests.e2e.embedded import EmbeddedDeployment
from tests.e2e.faults.components import Fire, Victim, victims
from tests.e2e.faults.model import FaultTool
from tests.e2e.machine import container_pids, kill_all
from tests.e2e.templates import warmed
from tests.support.polling import eventually

READY_SECONDS = 180.0
START_SECONDS = 600
"""A start deadline that is none: how soon a busy machine starts workers is not what is tried here."""

SETTLED_SECONDS = 90.0

POOLS = {
    "reused": {"minWorkers": 2, "maxWorkers": 3, "tasksPerWorker": 0, "concurrency": 3, "idleSeconds": 10},
    "once": {"minWorkers": 4, "maxWorkers": 10, "tasksPerWorker": 1, "idleSeconds": 10},
}
"""The templates of the matrix: with reuse, so narrow that tasks have to wait, and with a worker for each task."""

TOOLS = {name: (FaultTool(f"until_{name}"), FaultTool(f"until_{name}_again", repeatable=True)) for name in POOLS}


class WorkerPart(StrEnum):
    """What can be killed of a worker."""

    AGENT = "agent"
    ZYGOTE = "zygote"
    CHILD = "task's process"
    POD = "worker Pod"


FATAL = frozenset({WorkerPart.AGENT, WorkerPart.CHILD, WorkerPart.POD})
"""Those with which what a task has begun ends. Without a zygote the worker finishes what it runs."""


EMPTY_LEVELS: tuple[list[int], ...] = ([], [], [])


@dataclass(frozen=True)
class WorkerProcesses:
    """Processes of a worker on this machine."""

    agent: list[int]
    zygote: list[int]
    children: list[int]

    def of(self, part: WorkerPart) -> list[int]:
        return {WorkerPart.AGENT: self.agent, WorkerPart.ZYGOTE: self.zygote, WorkerPart.CHILD: self.children}[part]


def worker_processes(pids: set[int]) -> WorkerProcesses:
    """What the processes of a worker's container are, by how far below the first of them they are.

    Below the agent is the zygote, below it the reapers, and below each of them a task's process.
    """
    parents: dict[int, int] = {}
    for pid in pids:
        try:
            parents[pid] = psutil.Process(pid).ppid()
        except psutil.NoSuchProcess:
            continue
    levels: list[list[int]] = [[pid for pid, parent in parents.items() if parent not in parents]]
    while levels[-1]:
        levels.append([pid for pid, parent in parents.items() if parent in levels[-1]])
    agents, zygotes, _, *further = (*levels, *EMPTY_LEVELS)
    return WorkerProcesses(agents, zygotes, [pid for level in further for pid in level])


@dataclass
class WorkerPool:
    """The workers of one of the templates."""

    deployment: ClusterDeployment | EmbeddedDeployment
    template: str
    _forced: bool = field(default=False)

    def pods(self) -> list[JsonObject]:
        selector = f"{LABEL_WORKER}=true,{LABEL_TEMPLATE}={self.template}"
        return [pod for pod in self.deployment.kubectl.list("pods", selector) if not ended(pod)]

    def processes(self, pod: JsonObject) -> WorkerProcesses:
        if isinstance(self.deployment, ClusterDeployment):
            return worker_processes(set(container_pids(pod)))
        roots = self.deployment.stack.task_pids()
        found = {pid for name, pid in roots.items() if name.startswith(f"{pod['metadata']['uid']}/")}
        return worker_processes(found | {child.pid for pid in found for child in _descendants(pid)})

    def busiest(self) -> JsonObject | None:
        """The worker that runs most tasks."""
        running = [
            (task.get("status") or {}).get("podUid")
            for task in self.deployment.kubectl.list("mcptasks")
            if not (task.get("status") or {}).get("finishedAt")
        ]
        return max(self.pods(), key=lambda pod: running.count(pod["metadata"]["uid"]), default=None)

    def aim(self, part: WorkerPart, struck: set[str]) -> Fire:
        """Choose a worker, and give what kills that part of it."""
        pod = self.busiest()
        if pod is None:
            return lambda: None
        if part in FATAL:
            struck.add(pod["metadata"]["uid"])
        if part is WorkerPart.POD:
            return lambda: self._delete(pod["metadata"]["name"])
        found = self.processes(pod)
        if part is WorkerPart.CHILD:
            return lambda: kill_all(self.processes(pod).children)
        return lambda: kill_all(found.of(part))

    def _delete(self, pod: str) -> None:
        """By turns as an administrator does, and as one who has lost patience does."""
        self._forced = not self._forced
        force = ("--grace-period=0", "--force") if self._forced else ()
        self.deployment.kubectl.run("delete", "pod", pod, *force, "--wait=false", check=False)

    def unsettled(self) -> list[str]:
        """What the pool has too many or too few of when nobody calls: Pods, and processes of tasks in them."""
        pods, wanted = self.pods(), POOLS[self.template]["minWorkers"]
        ready = [pod for pod in pods if _is_ready(pod)]
        found = (
            [] if len(pods) == len(ready) == wanted else [f"{len(pods)} workers of {self.template}, {len(ready)} ready"]
        )
        running = [pid for pod in pods for pid in self.processes(pod).children]
        return found + ([f"{len(running)} processes in workers of {self.template}"] if running else [])

    def remove(self) -> None:
        """Delete the template, and its workers with it."""
        self.deployment.kubectl.run("delete", "mcptasktemplate", self.template, "--ignore-not-found")
        selector = f"{LABEL_WORKER}=true,{LABEL_TEMPLATE}={self.template}"
        eventually("no worker", lambda: not self.deployment.kubectl.list("pods", selector), READY_SECONDS, 0.5)

    def ready(self) -> None:
        """Wait until there are as many workers as are kept."""

        def enough() -> bool:
            return sum(map(_is_ready, self.pods())) >= POOLS[self.template]["minWorkers"]

        eventually(f"workers of {self.template}", enough, READY_SECONDS, 0.5)


def unsettled(pools: list[WorkerPool]) -> list[str]:
    """What the pools have too many or too few of, once they have had time to settle."""
    left: list[str] = []

    def nothing() -> bool:
        left[:] = [what for pool in pools for what in pool.unsettled()]
        return not left

    with suppress(AssertionError):
        eventually("all pools have settled", nothing, SETTLED_SECONDS, 1)
    return left


def ended(pod: JsonObject) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _is_ready(pod: JsonObject) -> bool:
    conditions = {entry["type"]: entry["status"] for entry in (pod.get("status") or {}).get("conditions") or ()}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def worker_pools(deployment: ClusterDeployment | EmbeddedDeployment) -> list[WorkerPool]:
    """The pools of the matrix, once their workers are ready. They are like the template `default` otherwise."""
    default = deployment.kubectl.get("mcptasktemplate", "default")
    module = EMBEDDED_MODULE if deployment.embedded else MODULE
    for name, terms in POOLS.items():
        base = {"apiVersion": default["apiVersion"], "kind": default["kind"], "spec": copy.deepcopy(default["spec"])}
        template = warmed({**base, "metadata": {"name": name, "namespace": deployment.namespace}}, module)
        template["spec"] |= {"warm": terms, "startDeadlineSeconds": START_SECONDS}
        deployment.kubectl.apply(template)
    pools = [WorkerPool(deployment, name) for name in POOLS]
    for pool in pools:
        pool.ready()
    return pools


def warm_victims(deployment: ClusterDeployment | EmbeddedDeployment, pools: list[WorkerPool]) -> list[Victim]:
    """All that can be killed while workers run tasks, with reuse and without."""
    return [victim for pool in pools for victim in (*_parts(pool), *_others(deployment, pool))]


def _parts(pool: WorkerPool) -> list[Victim]:
    found = []
    for part in WorkerPart:
        struck: set[str] = set()
        found.append(_victim(part.value, pool, _aim(pool, part, struck), pool.ready, struck))
    return found


def _aim(pool: WorkerPool, part: WorkerPart, struck: set[str]) -> Callable[[], Fire]:
    return lambda: pool.aim(part, struck)


def _victim(
    name: str, pool: WorkerPool, aim: Callable[[], Fire], ready: Callable[[], object], struck: set[str]
) -> Victim:
    return Victim(f"{name}, {pool.template}", aim, ready, Executor.WARM, TOOLS[pool.template], struck)


def _others(deployment: ClusterDeployment | EmbeddedDeployment, pool: WorkerPool) -> list[Victim]:
    """What tasks with Pods of their own have as victims as well."""

    def ready(victim: Victim) -> Callable[[], None]:
        def both() -> None:
            victim.ready()
            pool.ready()

        return both

    return [_victim(victim.name, pool, victim.aim, ready(victim), victim.struck) for victim in victims(deployment)]
