"""Pods that print before they claim their task: looked for seldom, and once for all who wait for the same task."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mcptasks.dashboard.task_rows import TaskRow
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import KubeError
from mcptasks.kube.task_attempts import Attempt, attempts_of

MAX_REMEMBERED_LOOKS = 200
MAX_LOOKS_AT_ONCE = 4


@dataclass
class PodLooks:
    """Looks for the Pods of tasks that wait, for all pages."""

    kube: KubeClient
    clock: Callable[[], float] = time.monotonic
    _last: OrderedDict[tuple[str, str], tuple[float, asyncio.Task[Sequence[Attempt]]]] = field(
        default_factory=OrderedDict
    )
    _looking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_LOOKS_AT_ONCE))

    async def pods(self, namespace: str, task: str, seconds: float) -> Sequence[Attempt]:
        """The task's Pods as they were at most so many seconds ago, oldest first; none where that cannot be told."""
        key = (namespace, task)
        at, found = self._last.get(key, (0.0, None))
        if found is None or self.clock() - at >= seconds:
            found = asyncio.create_task(self._look(namespace, task))
            self._last[key] = self.clock(), found
            self._last.move_to_end(key)
            if len(self._last) > MAX_REMEMBERED_LOOKS:
                self._last.popitem(last=False)
        return await asyncio.shield(found)

    async def _look(self, namespace: str, task: str) -> Sequence[Attempt]:
        async with self._looking:
            try:
                return await attempts_of(self.kube, namespace, task)
            except KubeError:
                return ()


def unclaimed_pod(pods: Sequence[Attempt], row: TaskRow, shown: str) -> Attempt | None:
    """The last Pod that has started for a task that waits, and is not `shown` yet. Pure.

    One that has ended is that of an attempt before, where there was one. A worker's prints for other tasks too.
    """
    started = [pod for pod in pods if pod.started and not pod.is_worker and not (row.attempts and pod.ended)]
    last = next(iter(started[::-1]), None)
    return None if last is None or last.name == shown else last
