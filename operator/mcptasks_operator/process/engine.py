"""All that works while this process leads, wired together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import KubeError
from mcptasks.kube.task_objects import TaskClient
from mcptasks.kube.watch_cache import Key
from mcptasks.model.lifecycle import Retention, utc_now
from mcptasks.settings import Settings
from mcptasks.stores.kept_logs import KeptLogs
from mcptasks.tracing.tracing import Tracing
from mcptasks_operator.acting.events import EventPoster
from mcptasks_operator.acting.executors import Executors
from mcptasks_operator.acting.gatherer import Gatherer, NamespaceEvents, scale_ups
from mcptasks_operator.acting.log_keeper import LogKeeper
from mcptasks_operator.acting.pool_keeper import PoolKeeper
from mcptasks_operator.acting.reconciler import Reconciler
from mcptasks_operator.acting.template_status import TemplateStatuses
from mcptasks_operator.acting.trace_sender import TraceSender
from mcptasks_operator.acting.workers import Workers
from mcptasks_operator.metrics import OperatorMetrics
from mcptasks_operator.watching.cache import Cache
from mcptasks_operator.watching.handlers import Login, make_registry, watch
from mcptasks_operator.watching.queues import Queues
from mcptasks_operator.watching.resync import Resync
from mcptasks_operator.watching.work_queue import WorkQueue

logger = logging.getLogger(__name__)

POOLS_AT_A_TIME = 4
"""How many templates' workers are looked after at the same time."""


@dataclass(frozen=True)
class Engine:
    """All that works while this process leads."""

    kube: KubeClient
    cache: Cache
    queue: WorkQueue[Key]
    pool_queue: WorkQueue[Key]
    resync: Resync
    workers: Workers
    pool_workers: Workers
    events: EventPoster
    traces: TraceSender
    log_keeper: LogKeeper

    @classmethod
    def build(
        cls,
        kube: KubeClient,
        settings: Settings,
        namespaces: tuple[str | None, ...],
        identity: str,
        beat: Callable[[], None],
        metrics: OperatorMetrics,
        tracing: Tracing,
        home: str | None = None,
        logs: KeptLogs | None = None,
    ) -> Engine:
        cache, queue, events = Cache(), WorkQueue[Key](), EventPoster(kube, identity)
        gatherer = Gatherer(kube, cache, settings.log_tail_lines, NamespaceEvents(kube), scale_ups(kube))
        statuses = TemplateStatuses(kube, cache, events, metrics)
        since = utc_now()
        pools = PoolKeeper(
            kube,
            cache,
            settings,
            wake=queue.add,
            home=home,
            since=since,
            report=statuses.report,
            metrics=metrics,
        )
        pool_queue = WorkQueue[Key]()
        executors = Executors.build(kube, settings)
        traces = TraceSender(TaskClient(kube), tracing)
        retention = Retention(settings.default_ttl_seconds * 1000, settings.result_floor_seconds)
        log_keeper = LogKeeper(kube, TaskClient(kube), logs or KeptLogs(), retention)
        reconciler = Reconciler(
            kube,
            cache,
            executors,
            pools,
            gatherer,
            events,
            settings,
            since=since,
            metrics=metrics,
            traces=traces,
            log_keeper=log_keeper,
        )
        return cls(
            kube=kube,
            cache=cache,
            queue=queue,
            pool_queue=pool_queue,
            resync=Resync(kube, cache, namespaces, Queues(queue.add, pool_queue.add), beat, settings.resync_seconds),
            workers=Workers(queue, reconciler.reconcile, settings.workers, metrics),
            pool_workers=Workers(pool_queue, pools.reconcile, POOLS_AT_A_TIME),
            events=events,
            traces=traces,
            log_keeper=log_keeper,
        )

    async def run(self, watching: Callable[[], None]) -> None:
        """Fill the cache, then watch and work until something fails or this is cancelled."""
        await self._fill()
        login = Login(self.kube)
        registry = make_registry(login, self.cache, Queues(self.queue.add, self.pool_queue.add))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.workers.run())
                group.create_task(self.pool_workers.run())
                group.create_task(self.resync.run())
                group.create_task(self.events.run())
                group.create_task(self.traces.run())
                group.create_task(self.log_keeper.run())
                # Last: kopf takes tasks that start after it for its own.
                await asyncio.sleep(0)
                await watch(registry, self.resync.namespaces, watching)
        finally:
            await login.aclose()
            self.queue.close()
            self.pool_queue.close()

    async def _fill(self) -> None:
        while True:
            try:
                await self.resync.once()
            except KubeError as error:
                logger.warning("first listing: %s; trying again", error)
                await asyncio.sleep(1.0)
            else:
                return
