"""kopf as the layer that watches, logs in and re-lists, and nothing else.

The handlers only put what they see into the cache and its key into the queue: no I/O, nothing that can fail, nothing
that kopf would have to persist. kopf's change handlers, timers, daemons and finalizers are not used: they run twice or
never under load, and leave marks on the objects.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
import kopf

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.watch_cache import Key
from mcptasks_operator.watching.cache import Cache, WatchedKind
from mcptasks_operator.watching.resync import WATCHED, Watched

logger = logging.getLogger(__name__)

SERVER_TIMEOUT_SECONDS = 300
CLIENT_TIMEOUT_SECONDS = 330
PAGE_SIZE = 500
END_TRIES = 3
END_SECONDS = 1.0
FINALIZER = "mcptasks.dev/operator"


class PatientBackoffs(Iterable[float]):
    """Pauses between tries of a request, without end: an API server that is away is waited for.

    Being the leader ends first: whoever cannot reach the API server loses the Lease.
    """

    def __iter__(self) -> Iterator[float]:
        yield from (0.2, 0.5, 1.0, 2.0, 3.0)
        while True:
            yield 5.0


class NoDiffBase(kopf.DiffBaseStorage):
    """Keeps no copy of the object: only change handlers need one."""

    def build(self, *, body: Any, extra_fields: Any = None) -> Any:
        return {}

    def fetch(self, *, body: Any) -> Any:
        return None

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        pass


class NoProgress(kopf.ProgressStorage):
    """Keeps no progress: only change handlers have any."""

    def fetch(self, *, key: Any, body: Any) -> Any:
        return None

    def store(self, *, key: Any, record: Any, body: Any, patch: Any) -> None:
        pass

    def purge(self, *, key: Any, body: Any, patch: Any) -> None:
        pass

    def touch(self, *, body: Any, patch: Any, value: Any) -> None:
        pass

    def clear(self, *, essence: Any) -> Any:
        return essence


@dataclass(eq=False)
class Login:
    """Gives kopf sessions with the client's credentials, anew after each 401, and closes them in the end."""

    kube: KubeClient
    _sessions: list[aiohttp.ClientSession] = field(default_factory=list)

    async def session(self) -> kopf.AiohttpSession:
        """A session with the credentials of this moment."""
        await self.aclose()
        session = await self.kube.authenticated_session()
        self._sessions.append(session)
        return kopf.AiohttpSession(server=self.kube.host, aiohttp_session=session)

    async def aclose(self) -> None:
        """Close what kopf has left open."""
        while self._sessions:
            await self._sessions.pop().close()


def operator_settings() -> kopf.OperatorSettings:
    """kopf's settings: named resources only, no peering, server-side selectors, short timeouts."""
    settings = kopf.OperatorSettings()
    settings.process.ultimate_exiting_timeout = None
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.posting.enabled = False
    for watched in WATCHED:
        if watched.selector is not None:
            resource = watched.resource
            settings.watching.label_selectors[resource.group, resource.version, resource.plural] = watched.selector
    settings.watching.server_timeout = SERVER_TIMEOUT_SECONDS
    settings.watching.client_timeout = CLIENT_TIMEOUT_SECONDS
    settings.watching.chunk_size = PAGE_SIZE
    settings.networking.connect_timeout = 5
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = PatientBackoffs()
    settings.queueing.idle_timeout = 1.0
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    settings.persistence.finalizer = FINALIZER
    return settings


def make_registry(login: Login, cache: Cache, enqueue: Callable[[Key], None]) -> kopf.OperatorRegistry:
    """Handlers for all that is watched, and a login with the client's own configuration."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry, id="login")
    async def log_in(**_: Any) -> kopf.AiohttpSession:
        return await login.session()

    for watched in WATCHED:
        _observe(registry, watched, cache, enqueue)
    return registry


def _observe(registry: kopf.OperatorRegistry, watched: Watched, cache: Cache, enqueue: Callable[[Key], None]) -> None:
    resource = watched.resource

    @kopf.on.event(resource.group, resource.version, resource.plural, registry=registry, id=f"see-{resource.plural}")
    async def see(event: Any, **_: Any) -> None:
        take(cache, watched.kind, event["type"], event["object"], enqueue)


def take(cache: Cache, kind: WatchedKind, event_type: str | None, item: Any, enqueue: Callable[[Key], None]) -> None:
    """Take in one watch event; what cannot be understood is logged and left to the next resync."""
    try:
        key = cache.remove(kind, item) if event_type == "DELETED" else cache.put(kind, item)
    except (KeyError, ValueError, TypeError, AttributeError):
        logger.exception("an event of a %s cannot be understood", kind.value)
        return
    if key is not None:
        enqueue(key)


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
        # kopf's own roots end what they have started, where it has not lost its cancellation.
        await _end(set(tasks))
        await _end_all_but(existing)
    for task in done:
        task.result()
    raise WatchEndedError("the watches have ended without an error")


class WatchEndedError(Exception):
    """kopf has stopped to watch."""


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel the tasks and wait for them, for a while."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=END_SECONDS)


async def _end_all_but(existing: set[asyncio.Task[Any]]) -> None:
    """Cancel what kopf has started, more than once where a task has lost its cancellation."""
    for _ in range(END_TRIES):
        left = asyncio.all_tasks() - existing
        if not left:
            return
        await _end(left)
    logger.warning("%d of kopf's tasks do not end", len(asyncio.all_tasks() - existing))
