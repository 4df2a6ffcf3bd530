"""When what happened to each task, as the API server tells it: one watch each of McpTasks, Jobs and Pods."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self

from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import KubeError
from mcptasks.kube.kinds import JOBS, MCP_TASKS, PODS, Resource
from mcptasks.model.base import LABEL_TASK, JsonObject
from mcptasks.model.task import TERMINAL_PHASES

WATCH_SECONDS = 3600


class Moment(StrEnum):
    """What can be seen to happen to a task, in its usual order."""

    STORED = "stored"
    JOB = "job_created"
    POD = "pod_created"
    SCHEDULED = "pod_scheduled"
    CONTAINER = "container_started"
    CLAIMED = "tool_started"
    ENDED = "ended"
    CONTAINER_ENDED = "container_ended"
    TERMINATED = "pods_terminated_written"


@dataclass
class MomentObserver:
    """Notes the first time, by `time.perf_counter`, at which each moment of each task could be seen."""

    kubeconfig: Path
    namespace: str
    _seen: dict[str, dict[Moment, float]] = field(default_factory=lambda: defaultdict(dict))
    _news: threading.Condition = field(default_factory=threading.Condition)
    _jobs: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _outcomes: dict[str, str] = field(default_factory=dict)

    def when(self, task_id: str, moment: Moment) -> float | None:
        """The time of the moment, or None where it was not seen."""
        with self._news:
            return self._seen[task_id].get(moment)

    def wait(self, task_id: str, moment: Moment, seconds: float = 120) -> float:
        """The time of the moment, once it is there."""
        with self._news:
            assert self._news.wait_for(lambda: moment in self._seen[task_id], seconds), f"{task_id}: no {moment}"
            return self._seen[task_id][moment]

    def wait_all(self, tasks: list[str], moment: Moment, seconds: float) -> list[float]:
        """The times of the moment, in order, once it is there for all tasks or the given seconds have passed."""
        with self._news:
            self._news.wait_for(lambda: all(moment in self._seen[task] for task in tasks), seconds)
            return sorted(self._seen[task][moment] for task in tasks if moment in self._seen[task])

    def count(self, tasks: list[str], moment: Moment) -> int:
        """For how many of the tasks the moment has come."""
        return len(self.wait_all(tasks, moment, 0))

    def jobs_of(self, task_id: str) -> int:
        """How many Jobs the task has had."""
        return len(self._jobs[task_id])

    def outcomes(self, tasks: list[str]) -> dict[str, int]:
        """How many of the tasks ended in which phase, for which reason."""
        with self._news:
            return dict(Counter(self._outcomes[task] for task in tasks if task in self._outcomes).most_common())

    @contextmanager
    def watching(self) -> Iterator[Self]:
        """Watch in a thread for as long as the context lasts."""
        loop = asyncio.new_event_loop()
        ready = threading.Event()
        thread = threading.Thread(target=lambda: loop.run_until_complete(self._watch(ready, stop)), name="observer")
        stop = asyncio.Event()
        thread.start()
        try:
            assert ready.wait(60), "the API server does not answer"
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(20)
            loop.close()

    async def _watch(self, ready: threading.Event, stop: asyncio.Event) -> None:
        async with await ClusterAccess(self.kubeconfig).connect("mcptasks-benchmark") as kube:
            versions = [await self._version(kube, resource) for resource in (MCP_TASKS, JOBS, PODS)]
            looks = (self._task, self._job, self._pod)
            watches = [
                asyncio.create_task(self._follow(kube, resource, version, look))
                for resource, version, look in zip((MCP_TASKS, JOBS, PODS), versions, looks, strict=True)
            ]
            ready.set()
            await stop.wait()
            for watch in watches:
                watch.cancel()
            await asyncio.gather(*watches, return_exceptions=True)

    async def _version(self, kube: KubeClient, resource: Resource) -> str:
        """Where to watch on from; a list of nothing tells it as well as a list of thousands."""
        return (await kube.list(resource, self.namespace, label_selector=f"{LABEL_TASK}=none")).resource_version

    async def _follow(
        self, kube: KubeClient, resource: Resource, version: str, look: Callable[[str, JsonObject, float], None]
    ) -> None:
        while True:
            try:
                async for event in kube.watch(
                    resource, self.namespace, resource_version=version, timeout_seconds=WATCH_SECONDS
                ):
                    version = event.object["metadata"]["resourceVersion"]
                    if event.type != "BOOKMARK":
                        with self._news:
                            look(event.type, event.object, time.perf_counter())
                            self._news.notify_all()
            except KubeError:
                await asyncio.sleep(0.5)

    def _note(self, task_id: str, moment: Moment, now: float) -> None:
        self._seen[task_id].setdefault(moment, now)

    def _task(self, _event: str, item: JsonObject, now: float) -> None:
        name, status = item["metadata"]["name"], item.get("status") or {}
        self._note(name, Moment.STORED, now)
        if status.get("startedAt"):
            self._note(name, Moment.CLAIMED, now)
        if status.get("phase") in TERMINAL_PHASES:
            self._note(name, Moment.ENDED, now)
            self._outcomes[name] = f"{status['phase']} {status.get('reason')}"
        conditions = {c["type"]: c["status"] for c in status.get("conditions") or ()}
        if conditions.get("PodsTerminated") == "True":
            self._note(name, Moment.TERMINATED, now)

    def _job(self, _event: str, item: JsonObject, now: float) -> None:
        self._jobs[item["metadata"]["name"]].add(item["metadata"]["uid"])
        self._note(item["metadata"]["name"], Moment.JOB, now)

    def _pod(self, event: str, item: JsonObject, now: float) -> None:
        name = (item["metadata"].get("labels") or {}).get(LABEL_TASK)
        if name is None:
            return
        self._note(name, Moment.POD, now)
        if item["spec"].get("nodeName"):
            self._note(name, Moment.SCHEDULED, now)
        states = [status["state"] for status in (item.get("status") or {}).get("containerStatuses") or ()]
        if any("running" in state or "terminated" in state for state in states):
            self._note(name, Moment.CONTAINER, now)
        if event == "DELETED" or (states and all("terminated" in state for state in states)):
            self._note(name, Moment.CONTAINER_ENDED, now)
