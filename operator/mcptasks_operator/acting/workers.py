"""The workers: each takes keys from the queue and has their tasks reconciled. No error ends a worker."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from mcptasks.kube.errors import KubeError
from mcptasks.kube.watch_cache import Key
from mcptasks.logs import bind_task
from mcptasks_operator.metrics import OperatorMetrics
from mcptasks_operator.watching.work_queue import WorkQueue

logger = logging.getLogger(__name__)

RECONCILE_SECONDS = 180.0
"""How long one task may keep a worker."""


@dataclass(frozen=True)
class Workers:
    """Works off the queue with `count` workers. `reconcile` returns in how many seconds it wants the key again."""

    queue: WorkQueue[Key]
    reconcile: Callable[[Key], Awaitable[float | None]]
    count: int
    metrics: OperatorMetrics = field(default_factory=OperatorMetrics)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.count):
                group.create_task(self._work(), name=f"worker {number}")

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                await self._reconcile(key)
            finally:
                self.queue.done(key)

    async def _reconcile(self, key: Key) -> None:
        started = time.monotonic()
        outcome = await self._try(key)
        self.metrics.reconciled(outcome, time.monotonic() - started)

    async def _try(self, key: Key) -> str:
        """Work on the task and queue it for its next time; returns how that went."""
        try:
            async with asyncio.timeout(RECONCILE_SECONDS):
                again = await self.reconcile(key)
        except Exception as error:  # noqa: BLE001 - one task must not end the worker that serves all
            pause = self.queue.add_failed(key)
            with bind_task(key[1]):
                _log(error, pause)
            return "api_error" if isinstance(error, KubeError) else "fault"
        self.queue.forget(key)
        if again is not None:
            self.queue.add_after(key, again)
        return "ok"


def _log(error: Exception, pause: float) -> None:
    if isinstance(error, KubeError):
        logger.warning("%s; trying again in %.1f s", error, pause)
    else:
        logger.error("cannot work on the task; trying again in %.1f s", pause, exc_info=error)
