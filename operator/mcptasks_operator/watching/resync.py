"""Lists everything again at intervals, to find what the watches have missed, deletions above all.

kopf never reports objects that vanish while a watch is interrupted (410 and re-list).
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import KubeError
from mcptasks.kube.watch_cache import Key
from mcptasks_operator.watching.cache import Cache
from mcptasks_operator.watching.queues import Queues
from mcptasks_operator.watching.watched_kinds import WATCHED

logger = logging.getLogger(__name__)

EARLY_SECONDS = (1.0, 5.0, 30.0)
"""Pauses before the first repeats: no watch reports what vanished between the first list and the watch's own start."""

RETRY_SECONDS = 5.0


@dataclass(frozen=True)
class Resync:
    """Replaces the cache's content with what lists say. `namespaces` is `(None,)` for all."""

    kube: KubeClient
    cache: Cache
    namespaces: tuple[str | None, ...]
    queues: Queues
    done: Callable[[], None]
    interval: float

    async def once(self, *, only_changed: bool = False) -> None:
        """List everything and queue all tasks, or only those about which the lists say anything new.

        Raises:
            KubeError: the API server does not answer.
        """
        changed: set[Key] = set()
        for namespace in self.namespaces:
            for watched in WATCHED:
                listed = await self.kube.list(watched.resource, namespace, label_selector=watched.selector)
                version = int(listed.resource_version or 0)
                changed |= self.cache.replace(watched.kind, listed.items, namespace, version)
        for key in changed if only_changed else self.cache.tasks:
            self.queues.task(key)
        for template in self.cache.templates:
            self.queues.pool(template)
        self.done()

    async def run(self) -> None:
        """Resync at intervals until cancelled; a failure is logged and tried again soon."""
        early = iter(EARLY_SECONDS)
        failed = False
        while True:
            soon = RETRY_SECONDS if failed else next(early, math.inf)
            full = self.interval * random.uniform(0.9, 1.1)
            await asyncio.sleep(min(soon, full))
            try:
                # The early repeats queue only what has changed: all tasks have just been looked at.
                await self.once(only_changed=soon < full and not failed)
                failed = False
            except KubeError as error:
                failed = True
                logger.warning("resync: %s; trying again soon", error)
