"""The objects of one kind as last seen, by key and version."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mcptasks.kube.watch_cache import Key

T = TypeVar("T")

REMEMBERED_DELETIONS = 10_000
"""How many deleted uids are remembered, so that a list that is older than the deletion cannot bring them back."""


@dataclass(frozen=True, slots=True)
class CachedObject(Generic[T]):
    """One object: what is kept of it, with its identity and version."""

    key: Key
    uid: str
    version: int
    value: T


@dataclass(frozen=True, slots=True)
class Deletion:
    """The version at which an object was found to be gone. `number` counts the deletions of its kind."""

    version: int
    number: int


@dataclass(eq=False)
class Store(Generic[T]):
    """The objects of one kind by key; more than one object (uid) may share a key."""

    deletions: int = 0
    _entries: dict[Key, dict[str, CachedObject[T]]] = field(default_factory=dict)
    _deleted: OrderedDict[str, Deletion] = field(default_factory=OrderedDict)

    def put(self, entry: CachedObject[T], asked_after: int = 0) -> bool:
        """Take the object in, unless something newer is known. Returns whether anything changed.

        An object that was found to be gone stays gone, whatever older lists and late events say, with one exception:
        one that was read by its name after its deletion had been noticed does exist (`asked_after`: how many deletions
        had been noticed before the request). A watch with a label selector reports a lost label as a deletion.
        """
        deletion = self._deleted.get(entry.uid)
        if deletion is not None and entry.version < deletion.version and deletion.number > asked_after:
            return False
        known = self._entries.get(entry.key, {}).get(entry.uid)
        if known is not None and known.version >= entry.version:
            return False
        self._entries.setdefault(entry.key, {})[entry.uid] = entry
        return True

    def remove(self, key: Key, uid: str, version: int | None = None) -> CachedObject[T] | None:
        """Forget an object that was found to be gone at this version; returns its last state."""
        entries = self._entries.get(key, {})
        entry = entries.pop(uid, None)
        if not entries:
            self._entries.pop(key, None)
        self._remember(uid, version if version is not None else (entry.version + 1 if entry else 0))
        return entry

    def _remember(self, uid: str, version: int) -> None:
        self.deletions += 1
        self._deleted.pop(uid, None)
        self._deleted[uid] = Deletion(version, self.deletions)
        while len(self._deleted) > REMEMBERED_DELETIONS:
            self._deleted.popitem(last=False)

    def entries(self, key: Key) -> list[CachedObject[T]]:
        """All objects under the key, the newest last."""
        return sorted(self._entries.get(key, {}).values(), key=lambda entry: entry.version)

    def of(self, key: Key) -> list[T]:
        """What is kept of the objects under the key, the newest last."""
        return [entry.value for entry in self.entries(key)]

    def vanished(self, listed: set[str], namespace: str | None, version: int) -> list[CachedObject[T]]:
        """Objects that a list of this version should contain and does not."""
        return [
            entry
            for entries in self._entries.values()
            for entry in entries.values()
            if entry.uid not in listed and entry.version <= version and namespace in (None, entry.key[0])
        ]

    def __iter__(self) -> Iterator[Key]:
        return iter(list(self._entries))

    def __len__(self) -> int:
        return sum(len(entries) for entries in self._entries.values())
