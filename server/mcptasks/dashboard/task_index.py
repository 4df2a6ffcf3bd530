"""The rows of all tasks that the watch tells of, what was seen of their progress, and who waits for changes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mcptasks.dashboard.task_rows import TaskRow, row_of, shown_part
from mcptasks.kube.watch_cache import Key, WatchCache, key_of, without_bookkeeping
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import utc_now

MAX_POINTS = 240
"""Of one task's progress; when there are more, every second one is dropped."""


@dataclass(frozen=True, slots=True)
class ProgressPoint:
    """How far a task was at a time, and in which attempt."""

    at: datetime
    current: float
    total: float | None
    attempt: int


def live_part(item: JsonObject) -> JsonObject:
    """What a page that follows a task needs of its object: all but the call's arguments and what is kept of its log."""
    item = without_bookkeeping(item)
    return {
        **item,
        "spec": {key: value for key, value in item["spec"].items() if key not in ("arguments", "argumentsText")},
        "status": {key: value for key, value in (item.get("status") or {}).items() if key != "log"},
    }


@dataclass
class TaskIndex:
    """Listens to watch caches. Whoever `watches` is told that something has changed, not what."""

    clock: Callable[[], datetime] = utc_now
    _rows: dict[Key, TaskRow] = field(default_factory=dict)
    _followed: dict[Key, JsonObject] = field(default_factory=dict)
    _points: dict[Key, deque[ProgressPoint]] = field(default_factory=dict)
    _waiting: dict[Key | None, set[asyncio.Event]] = field(default_factory=dict)
    _caches: list[WatchCache] = field(default_factory=list)

    def follow(self, cache: WatchCache) -> None:
        """Take in the tasks of the cache, from now on."""
        self._caches.append(cache)
        cache.listen(self)

    def trimmed(self, item: JsonObject) -> JsonObject:
        """What a watch cache keeps of a task. While somebody watches for it by name, more of it is kept here."""
        kept, key = shown_part(item), key_of(item)
        if key in self._waiting:
            self._followed[key] = live_part(item)
        return kept

    @property
    def synced(self) -> bool:
        """Whether all tasks are known that were there at the start."""
        return all(cache.synced.is_set() for cache in self._caches)

    @property
    def unreachable_seconds(self) -> float:
        """For how long the API server has told nothing; 0 while it does."""
        return max((cache.unreachable_seconds for cache in self._caches), default=0.0)

    def changed(self, item: JsonObject, *, watched: bool) -> None:
        row, key = row_of(item), key_of(item)
        known = self._rows.get(key)
        if known is not None and known.created != row.created:
            self._points.pop(key, None)
        self._rows[key] = row
        self._note_progress(key, row)
        self._wake(key_of(item))

    def deleted(self, item: JsonObject) -> None:
        self._rows.pop(key_of(item), None)
        self._points.pop(key_of(item), None)
        self._followed.pop(key_of(item), None)
        self._wake(key_of(item))

    def _note_progress(self, key: Key, row: TaskRow) -> None:
        if row.current is None or not row.is_open:
            return
        points = self._points.setdefault(key, deque())
        if points and (points[-1].current, points[-1].attempt) == (row.current, row.attempts):
            return
        points.append(ProgressPoint(self.clock(), row.current, row.total, row.attempts))
        if len(points) > MAX_POINTS:
            self._points[key] = deque(list(points)[::2])

    def rows(self, namespaces: Collection[str]) -> list[TaskRow]:
        """The tasks of these namespaces."""
        return [row for row in self._rows.values() if row.namespace in namespaces]

    def row(self, namespace: str, name: str) -> TaskRow | None:
        return self._rows.get((namespace, name))

    def followed(self, namespace: str, name: str) -> JsonObject | None:
        """The `live_part` of a task, where the watch has told of it since somebody watches for it by name."""
        return self._followed.get((namespace, name))

    def namespaces(self) -> set[str]:
        """The namespaces that have tasks."""
        return {namespace for namespace, _ in self._rows}

    def progress(self, namespace: str, name: str) -> Sequence[ProgressPoint]:
        """What was seen of the task's progress since this process runs."""
        return tuple(self._points.get((namespace, name), ()))

    def recent(self, namespaces: Collection[str], within: timedelta) -> list[TaskRow]:
        """The tasks of these namespaces that were made or have ended within that time."""
        since = self.clock() - within
        return [row for row in self.rows(namespaces) if row.created >= since or (row.finished or row.created) >= since]

    @contextmanager
    def watched(self, namespace: str | None = None, name: str = "") -> Iterator[asyncio.Event]:
        """An event that is set whenever the task, or any where none is named, changes; clear it before looking."""
        key, event = None if namespace is None else (namespace, name), asyncio.Event()
        self._waiting.setdefault(key, set()).add(event)
        try:
            yield event
        finally:
            self._waiting[key].discard(event)
            if not self._waiting[key]:
                del self._waiting[key]
                if key is not None:
                    self._followed.pop(key, None)

    def _wake(self, key: Key) -> None:
        for wanted in (None, key):
            for event in self._waiting.get(wanted, ()):
                event.set()
