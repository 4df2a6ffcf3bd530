"""What all controllers share: a queue that watches of the store feed, and a task for each loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from mcptasks_embedded.controllers.reconcile_queue import ReconcileQueue
from mcptasks_embedded.store.changes import Change
from mcptasks_embedded.store.memory import ObjectStore
from mcptasks_embedded.store.watch import Watch
from mcptasks_embedded.values.references import GroupResource, Ref

Keys = Callable[[Change], Iterable[Ref]]

#: Seconds after which to look again at something that waits for other objects to disappear.
RETRY_SECONDS = 0.2


class Controller:
    """Subclasses watch resources in `__init__` and implement `reconcile`."""

    def __init__(self, name: str, store: ObjectStore) -> None:
        self._store = store
        self.queue: ReconcileQueue[Ref] = ReconcileQueue(name, self.reconcile)
        self._watched: list[tuple[Watch, Keys]] = []
        self._tasks: list[asyncio.Task[None]] = []

    def reconcile(self, key: Ref) -> float | None:
        """Bring one object closer to its desired state; the result says in how many seconds to look again."""
        raise NotImplementedError

    def watch(self, resource: GroupResource, keys: Keys) -> None:
        """Queue `keys(change)` for every change of `resource`."""
        watch = self._store.watch(resource)
        self._watched.append((watch, keys))
        if self._tasks:
            self._tasks.append(asyncio.create_task(self._follow(watch, keys)))

    def start(self) -> None:
        for watch, keys in self._watched:
            self._tasks.append(asyncio.create_task(self._follow(watch, keys)))
        self._tasks.append(asyncio.create_task(self.queue.run()))

    async def stop(self) -> None:
        for watch, _ in self._watched:
            watch.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _follow(self, watch: Watch, keys: Keys) -> None:
        while not watch.closed:
            for change in await watch.wait():
                for key in keys(change):
                    self.queue.add(key)


def own_key(change: Change) -> list[Ref]:
    """The key of the changed object."""
    return [change.entry.ref]
