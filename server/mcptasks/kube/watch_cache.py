"""A watch cache: the objects of one kind, kept up to date, that can be waited on."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from operator import add
from typing import Protocol

from mcptasks.kube.api_client import KubeClient, WatchEvent
from mcptasks.kube.errors import GoneError, KubeError, NotFoundError
from mcptasks.kube.kinds import Resource
from mcptasks.model.base import JsonObject

logger = logging.getLogger(__name__)

BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 3.0, 5.0)
RELIST_SECONDS = 300
"""How long one watch lasts before everything is listed again: a watch is not trusted to tell all."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

Key = tuple[str, str]


def key_of(item: JsonObject) -> Key:
    """Namespace and name of an object."""
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def version_of(item: JsonObject) -> int:
    """The object's resource version; comparing them is official since Kubernetes 1.35 (KEP-5504)."""
    try:
        return int(item["metadata"].get("resourceVersion") or 0)
    except ValueError:
        return 0


def without_bookkeeping(item: JsonObject) -> JsonObject:
    """The object without what only appliers read: the managed fields and kubectl's copy of the whole object.

    They are half of a small object's size.
    """
    metadata = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    annotations = {k: v for k, v in (metadata.pop("annotations", None) or {}).items() if k != LAST_APPLIED}
    if annotations:
        metadata["annotations"] = annotations
    return {**item, "metadata": metadata}


@dataclass(frozen=True, slots=True)
class _Share:
    """What one object adds to the totals of its group."""

    group: Hashable
    amounts: tuple[int, ...]


class CacheListener(Protocol):
    """Is told of what changes in a cache, as soon as the cache has it."""

    def changed(self, item: JsonObject, *, watched: bool) -> None:
        """An object is new, or in a new state; `watched`: others have made it so, as the watch tells."""
        ...

    def deleted(self, item: JsonObject) -> None:
        """An object is gone; this is its last known state."""
        ...


@dataclass(eq=False)
class WatchCache:
    """Objects of one kind in one namespace (all where None), kept up to date by list and watch.

    It holds nothing that its watch does not tell of. `add` lets a writer put its own writes in at once
    (read-your-writes). `on_deleted` is called with the last known state of an object that is not there any more, as far
    as list and watch can tell. `trim` gives the part of an object that is kept: a new object that shares no more than
    unchanged parts with the one given. `group` puts objects into groups, and `amounts` says what one adds to
    the `totals` of its group; both are asked of whole objects.

    Whatever an object contains, the watch goes on: where one of these functions raises, that is logged, and the object
    is kept whole and in no group.
    """

    client: KubeClient
    resource: Resource
    namespace: str | None = None
    label_selector: str | None = None
    on_deleted: Callable[[JsonObject], None] = lambda _item: None
    trim: Callable[[JsonObject], JsonObject] = without_bookkeeping
    group: Callable[[JsonObject], Hashable] = lambda _item: None
    amounts: Callable[[JsonObject], tuple[int, ...]] = lambda _item: ()
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    _items: dict[Key, JsonObject] = field(default_factory=dict)
    _shares: dict[Key, _Share] = field(default_factory=dict)
    _totals: dict[Hashable, tuple[int, ...]] = field(default_factory=dict)
    _waiters: dict[Key, set[asyncio.Event]] = field(default_factory=dict)
    _listeners: list[CacheListener] = field(default_factory=list)
    _watched: int = 0
    _failing_since: float | None = None

    @property
    def unreachable_seconds(self) -> float:
        """For how long listing and watching have failed; 0 while they work."""
        return 0.0 if self._failing_since is None else time.monotonic() - self._failing_since

    def listen(self, listener: CacheListener) -> None:
        """Tell the listener of all changes from now on."""
        self._listeners.append(listener)

    def get(self, namespace: str, name: str) -> JsonObject | None:
        """The object as last seen, or None."""
        return self._items.get((namespace, name))

    def values(self) -> list[JsonObject]:
        """All objects."""
        return list(self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def totals(self, group: Hashable) -> tuple[int, ...]:
        """What the objects of the group come to; empty where there is none."""
        return self._totals.get(group, ())

    def covers(self, namespace: str) -> bool:
        """Whether the watch tells of objects in the namespace."""
        return self.namespace in (None, namespace)

    def add(self, item: JsonObject) -> None:
        """Take in an object that somebody has written or read, unless the watch knows better.

        The watch has told of all that is older than what it told last: an object of that age that is not in the cache
        is gone. One that the watch does not cover is not kept, since nothing would tell of its end.
        """
        key = key_of(item)
        is_gone = key not in self._items and 0 < version_of(item) <= self._watched
        if self.covers(key[0]) and not is_gone:
            self._put(key, item, watched=False)

    def _put(self, key: Key, item: JsonObject, *, watched: bool) -> None:
        known = self._items.get(key)
        if known is not None and _is_older(item, known):
            return
        kept = self._items[key] = self._trimmed(item)
        self._recount(key, item)
        if known is not None and _uid(known) != _uid(kept):
            self._report_deleted(known)
        self._wake(key)
        if known is None or version_of(known) != version_of(kept):
            self._report_changed(kept, watched=watched)

    def _forget(self, key: Key) -> None:
        item = self._items.pop(key, None)
        if item is not None:
            self._recount(key, None)
            self._report_deleted(item)
        self._wake(key)

    def _trimmed(self, item: JsonObject) -> JsonObject:
        with self._survived(item):
            return self.trim(item)
        return item

    def _share_of(self, item: JsonObject) -> _Share | None:
        with self._survived(item):
            amounts = self.amounts(item)
            return _Share(self.group(item), amounts) if amounts else None
        return None

    def _report_changed(self, item: JsonObject, *, watched: bool) -> None:
        for listener in self._listeners:
            with self._survived(item):
                listener.changed(item, watched=watched)

    def _report_deleted(self, item: JsonObject) -> None:
        with self._survived(item):
            self.on_deleted(item)
        for listener in self._listeners:
            with self._survived(item):
                listener.deleted(item)

    @contextmanager
    def _survived(self, item: JsonObject) -> Iterator[None]:
        try:
            yield
        except Exception:
            logger.exception("%s %s cannot be understood", self.resource.plural, "/".join(key_of(item)))

    def _recount(self, key: Key, item: JsonObject | None) -> None:
        before = self._shares.pop(key, None)
        if before is not None:
            self._add_to(before.group, tuple(-amount for amount in before.amounts))
        share = None if item is None else self._share_of(item)
        if share is not None:
            self._shares[key] = share
            self._add_to(share.group, share.amounts)

    def _add_to(self, group: Hashable, amounts: tuple[int, ...]) -> None:
        known = self._totals.pop(group, None)
        total = amounts if known is None else tuple(map(add, known, amounts))
        if any(total):
            self._totals[group] = total

    @asynccontextmanager
    async def changes(self, namespace: str, name: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever the object changes or goes; clear it before looking at the object."""
        key, event = (namespace, name), asyncio.Event()
        self._waiters.setdefault(key, set()).add(event)
        try:
            yield event
        finally:
            waiting = self._waiters[key]
            waiting.discard(event)
            if not waiting:
                del self._waiters[key]

    async def echoed(self, item: JsonObject, seconds: float) -> None:
        """Wait until the watch has brought this state of an object that its writer has put in, or a later one.

        Other processes' watches bring it at about the same moment. Returns after `seconds` at the latest, at once where
        nothing watches.
        """
        if not self._watched:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self.changes(*key_of(item)) as changed:
                while self._watched < version_of(item):
                    changed.clear()
                    await changed.wait()

    @property
    def waiting(self) -> int:
        """How many wait for changes."""
        return sum(len(events) for events in self._waiters.values())

    def _wake(self, key: Key) -> None:
        for event in self._waiters.get(key, ()):
            event.set()

    async def run(self) -> None:
        """List and watch until cancelled; errors are logged and tried again."""
        failures = 0
        while True:
            try:
                await self._list_and_watch()
                failures = 0
            except GoneError:
                failures = 0
            except NotFoundError:
                failures = await self._pause(
                    failures, "it is not served: install it, `mcptasks crds | kubectl apply -f -`"
                )
            except KubeError as error:
                failures = await self._pause(failures, str(error))
            except Exception as error:
                logger.exception("watch of %s", self.resource.plural)
                failures = await self._pause(failures, f"a fault of this program: {error}")

    async def _pause(self, failures: int, why: str) -> int:
        if self._failing_since is None:
            self._failing_since = time.monotonic()
        pause = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)] * random.uniform(0.8, 1.2)
        logger.warning("watch of %s: %s; trying again in %.1f s", self.resource.plural, why, pause)
        await asyncio.sleep(pause)
        return failures + 1

    async def _list_and_watch(self) -> None:
        listed = await self.client.list(self.resource, self.namespace, label_selector=self.label_selector)
        self._replace(listed.items, int(listed.resource_version or 0))
        self.synced.set()
        self._failing_since = None
        version = listed.resource_version
        loop = asyncio.get_running_loop()
        relist_at = loop.time() + RELIST_SECONDS * random.uniform(0.9, 1.1)
        while (left := relist_at - loop.time()) > 0:
            async for event in self.client.watch(
                self.resource,
                self.namespace,
                resource_version=version,
                label_selector=self.label_selector,
                timeout_seconds=max(1, int(left)),
            ):
                version = event.object["metadata"]["resourceVersion"]
                self._apply(event)

    def _apply(self, event: WatchEvent) -> None:
        self._watched = max(self._watched, version_of(event.object))
        if event.type == "BOOKMARK":
            return
        key = key_of(event.object)
        if event.type != "DELETED":
            self._put(key, event.object, watched=True)
            return
        known = self._items.get(key)
        if known is None or _uid(known) == _uid(event.object):
            self._forget(key)

    def _replace(self, items: list[JsonObject], version: int) -> None:
        if version < self._watched:
            # Only an API server whose data were restored goes back: what was known says nothing of what is there.
            for key in list(self._items):
                self._forget(key)
        self._watched = version
        listed = {key_of(item) for item in items}
        for item in items:
            self._put(key_of(item), item, watched=True)
        # An object that was put in by its writer after the list was made is not in the list, and not gone either.
        for key, item in list(self._items.items()):
            if key not in listed and version_of(item) <= version:
                self._forget(key)


def _uid(item: JsonObject) -> object:
    return item["metadata"].get("uid")


def _is_older(item: JsonObject, known: JsonObject) -> bool:
    """Versions of different objects can be compared too: what is known may be a new object of an old one's name."""
    return version_of(item) < version_of(known)
