"""kopf as the layer that watches, logs in and re-lists, and nothing else.

The handlers put what they see into the cache and the task's key into the queue: no I/O, nothing that can fail, nothing
that kopf would have to persist. kopf's change handlers, timers, daemons and finalizers are not used: under load they
run twice or not at all, and they leave marks on the objects.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
import kopf

from mcptasks.kube.api_client import KubeClient
from mcptasks_operator.watching.cache import Cache
from mcptasks_operator.watching.kopf_settings import operator_settings
from mcptasks_operator.watching.queues import Queues
from mcptasks_operator.watching.warm_work import pool_key
from mcptasks_operator.watching.watched_kinds import WATCHED, WatchedKind, WatchedResource

logger = logging.getLogger(__name__)

CANCEL_TRIES = 3
CANCEL_SECONDS = 1.0


@dataclass(eq=False)
class Login:
    """Gives kopf sessions with the client's credentials, a new one after each 401, and closes them at the end."""

    kube: KubeClient
    _sessions: list[aiohttp.ClientSession] = field(default_factory=list)

    async def session(self) -> kopf.AiohttpSession:
        """A session with the current credentials."""
        await self.aclose()
        session = await self.kube.authenticated_session()
        self._sessions.append(session)
        return kopf.AiohttpSession(server=self.kube.host, aiohttp_session=session)

    async def aclose(self) -> None:
        """Close what kopf has left open."""
        while self._sessions:
            await self._sessions.pop().close()


def make_registry(login: Login, cache: Cache, queues: Queues) -> kopf.OperatorRegistry:
    """Handlers for all that is watched, and a login with the client's own configuration."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry, id="login")
    async def log_in(**_: Any) -> kopf.AiohttpSession:
        return await login.session()

    for watched in WATCHED:
        _observe(registry, watched, cache, queues)
    return registry


def _observe(registry: kopf.OperatorRegistry, watched: WatchedResource, cache: Cache, queues: Queues) -> None:
    resource = watched.resource

    @kopf.on.event(resource.group, resource.version, resource.plural, registry=registry, id=f"see-{resource.plural}")
    async def see(event: Any, **_: Any) -> None:
        handle_event(cache, watched.kind, event["type"], event["object"], queues)


def handle_event(cache: Cache, kind: WatchedKind, event_type: str | None, item: Any, queues: Queues) -> None:
    """Put one watch event into the cache; one that cannot be understood is logged and left to the next resync."""
    try:
        held = cache.tasks_of_worker(item) if kind is WatchedKind.POD else []
        key = cache.remove(kind, item) if event_type == "DELETED" else cache.put(kind, item)
        pool = pool_key(kind, item)
    except Exception:
        logger.exception("an event of a %s cannot be understood", kind.value)
        return
    for task in [*([] if key is None else [key]), *held, *cache.limited.next_ones()]:
        queues.task(task)
    if pool is not None:
        queues.pool(pool)


async def watch(
    registry: kopf.OperatorRegistry,
    namespaces: tuple[str | None, ...],
    after_start: Callable[[], None] = lambda: None,
) -> None:
    """Watch until cancelled. `after_start` is called once kopf has set its signal handlers.

    kopf's own `run_tasks` is not used: when a watch fails it can wait for ever for another one that has lost its
    cancellation while it logs in again (kopf 1.45.2).

    Raises:
        Exception: a watch has failed in a way that only a restart cures (kopf's WatchingError and others).
    """
    existing = asyncio.all_tasks()
    named = [namespace for namespace in namespaces if namespace is not None]
    tasks = await kopf.spawn_tasks(
        registry=registry,
        settings=operator_settings(),
        clusterwide=not named,
        namespaces=named,
        standalone=True,
        # Left to itself, kopf looks the user's name up, which a container's numeric user does not have.
        identity=cast(Any, "mcptasks-operator"),
    )
    try:
        after_start()
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        # kopf's root tasks end what they have started, unless that has lost its cancellation.
        await _cancel(set(tasks))
        await _cancel_all_but(existing)
    for task in done:
        task.result()
    raise WatchEndedError("the watches have ended without an error")


class WatchEndedError(Exception):
    """kopf has stopped watching."""


async def _cancel(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel the tasks and wait for them, for a while."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=CANCEL_SECONDS)


async def _cancel_all_but(existing: set[asyncio.Task[Any]]) -> None:
    """Cancel what kopf has started, more than once where a task has lost its cancellation."""
    for _ in range(CANCEL_TRIES):
        left = asyncio.all_tasks() - existing
        if not left:
            return
        await _cancel(left)
    logger.warning("%d of kopf's tasks do not end", len(asyncio.all_tasks() - existing))
