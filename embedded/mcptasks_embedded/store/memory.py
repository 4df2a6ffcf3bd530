"""Objects in memory, with one resourceVersion sequence and a watch history, as etcd keeps them.

Stored objects are never changed in place: a write replaces the dict, so readers may keep what they were given.
All methods are synchronous and meant for one event loop; a write is therefore atomic.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from mcptasks_embedded.store.changes import Change, StoreEntry
from mcptasks_embedded.store.watch import Watch
from mcptasks_embedded.values.errors import expired
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.references import GroupResource, Ref


@dataclass(slots=True)
class Bucket:
    """The objects of one resource."""

    objects: dict[tuple[str, str], StoreEntry] = field(default_factory=dict)
    history: deque[Change] = field(default_factory=deque)
    compacted: int = 0
    watches: set[Watch] = field(default_factory=set)


class ObjectStore:
    """All objects of a cluster. `history_limit` bounds the watch history per resource; older versions answer 410."""

    def __init__(self, history_limit: int = 20_000) -> None:
        # Versions of an earlier cluster on the same address must look old, not current, to clients that reconnect.
        self.rv = int(time.time())
        self._first = self.rv
        self._history_limit = history_limit
        self._buckets: dict[GroupResource, Bucket] = {}
        self._owned: dict[str, set[Ref]] = {}
        self._by_uid: dict[str, Ref] = {}

    def bucket(self, resource: GroupResource) -> Bucket:
        bucket = self._buckets.get(resource)
        if bucket is None:
            bucket = self._buckets[resource] = Bucket(compacted=self._first)
        return bucket

    def resources(self) -> list[GroupResource]:
        return list(self._buckets)

    def get(self, ref: Ref) -> StoreEntry | None:
        return self.bucket(ref.resource).objects.get((ref.namespace, ref.name))

    def find_uid(self, uid: str) -> StoreEntry | None:
        ref = self._by_uid.get(uid)
        return self.get(ref) if ref else None

    def entries(self, resource: GroupResource, namespace: str = "") -> Iterator[StoreEntry]:
        """Unsorted; do not write to the same resource while iterating."""
        for (entry_namespace, _), entry in self.bucket(resource).objects.items():
            if not namespace or entry_namespace == namespace:
                yield entry

    def sorted_entries(self, resource: GroupResource, namespace: str = "") -> list[StoreEntry]:
        """By namespace and name, as the API lists them."""
        return sorted(self.entries(resource, namespace), key=lambda entry: entry.ref[1:])

    def owned_by(self, uid: str) -> list[StoreEntry]:
        """Objects with an ownerReference to `uid`."""
        found = (self.get(ref) for ref in tuple(self._owned.get(uid, ())))
        return [entry for entry in found if entry is not None]

    def put(self, ref: Ref, obj: Json) -> StoreEntry:
        """Store `obj` (create or replace) under a new resourceVersion and tell the watchers."""
        bucket = self.bucket(ref.resource)
        key = (ref.namespace, ref.name)
        previous = bucket.objects.get(key)
        entry = self._stamped(ref, obj)
        bucket.objects[key] = entry
        self._index(previous, entry)
        self._publish(bucket, Change("MODIFIED" if previous else "ADDED", entry.rv, entry, previous))
        return entry

    def remove(self, ref: Ref, last: Json | None = None) -> StoreEntry | None:
        """Delete the object; `last` is the state to report in the DELETED event when it differs from the stored one."""
        bucket = self.bucket(ref.resource)
        previous = bucket.objects.pop((ref.namespace, ref.name), None)
        if previous is None:
            return None
        entry = self._stamped(ref, last or previous.obj)
        self._index(previous, None)
        self._publish(bucket, Change("DELETED", entry.rv, entry, previous))
        return entry

    def _stamped(self, ref: Ref, obj: Json) -> StoreEntry:
        self.rv += 1
        stamped = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.rv)}}
        return StoreEntry(ref, stamped, self.rv)

    def _index(self, previous: StoreEntry | None, entry: StoreEntry | None) -> None:
        before = _owner_uids(previous)
        after = _owner_uids(entry)
        some = entry or previous
        if some is None:
            return
        for uid in before - after:
            refs = self._owned[uid]
            refs.discard(some.ref)
            if not refs:
                del self._owned[uid]
        for uid in after - before:
            self._owned.setdefault(uid, set()).add(some.ref)
        uid = some.obj["metadata"]["uid"]
        if entry is None:
            self._by_uid.pop(uid, None)
        elif previous is None:
            self._by_uid[uid] = some.ref

    def _publish(self, bucket: Bucket, change: Change) -> None:
        bucket.history.append(change)
        if len(bucket.history) > self._history_limit:
            bucket.compacted = bucket.history.popleft().rv
        for watch in tuple(bucket.watches):
            watch.offer(change)

    def watch(self, resource: GroupResource, namespace: str = "", since: int | None = None) -> Watch:
        """Changes after version `since` (default: from now). Raises ApiError 410 when that is no longer known."""
        bucket = self.bucket(resource)
        watch = Watch(namespace, bucket.watches.discard)
        if since is not None:
            if since < bucket.compacted:
                raise expired(f"too old resource version: {since} ({bucket.compacted})")
            for change in _newer(bucket.history, since):
                watch.offer(change)
        bucket.watches.add(watch)
        return watch

    def compact(self) -> None:
        """Forget the history: every older resourceVersion answers 410 from now on. A fault hook for tests."""
        for bucket in self._buckets.values():
            bucket.history.clear()
            bucket.compacted = self.rv
        self._first = self.rv

    def close_watches(self) -> None:
        for bucket in self._buckets.values():
            for watch in tuple(bucket.watches):
                watch.close()


def _newer(history: deque[Change], since: int) -> list[Change]:
    newest_first = []
    for change in reversed(history):
        if change.rv <= since:
            break
        newest_first.append(change)
    return newest_first[::-1]


def _owner_uids(entry: StoreEntry | None) -> set[str]:
    if entry is None:
        return set()
    return {owner["uid"] for owner in entry.obj["metadata"].get("ownerReferences") or ()}
