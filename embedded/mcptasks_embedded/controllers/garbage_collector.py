"""Garbage collection: dependents of objects that are gone, foreground and orphan deletion.

https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from __future__ import annotations

import logging

from mcptasks_embedded.controllers.controller import RETRY_SECONDS, Controller
from mcptasks_embedded.objects.deletion import FOREGROUND, ORPHAN
from mcptasks_embedded.objects.operations import Objects
from mcptasks_embedded.objects.options import DeleteOptions
from mcptasks_embedded.store.changes import Change, StoreEntry
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.errors import ApiError
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.references import GroupResource, Ref

_log = logging.getLogger(__name__)


def _owners(obj: Json) -> list[Json]:
    return list(obj["metadata"].get("ownerReferences") or ())


class GarbageCollector(Controller):
    """Keys are the dependents to look at, and owners under foreground or orphan deletion."""

    def __init__(self, objects: Objects) -> None:
        super().__init__("garbage collector", objects.store)
        self._objects = objects
        self._seen: set[GroupResource] = set()
        self.watch_all()

    def watch_all(self) -> None:
        """Also watch resources that are served only now (new CRDs)."""
        for kind in self._objects.registry.all():
            if "delete" in kind.verbs and kind.storage not in self._seen:
                self._seen.add(kind.storage)
                self.watch(kind.storage, self._keys)

    def _keys(self, change: Change) -> list[Ref]:
        metadata = change.entry.obj["metadata"]
        keys = []
        if change.type == "DELETED":
            keys += [entry.ref for entry in self._store.owned_by(metadata["uid"])]
            # A foreground deletion of an owner may wait for this object.
            for owner in _owners(change.entry.obj):
                found = self._store.find_uid(owner["uid"])
                if found is not None and "deletionTimestamp" in found.obj["metadata"]:
                    keys.append(found.ref)
        elif metadata.get("ownerReferences") or _under_policy(metadata):
            keys.append(change.entry.ref)
        return keys

    def reconcile(self, key: Ref) -> float | None:
        entry = self._store.get(key)
        if entry is None:
            return None
        metadata = entry.obj["metadata"]
        if "deletionTimestamp" in metadata:
            return self._deleting(entry)
        if metadata.get("ownerReferences"):
            self._collect(entry)
        return None

    def _kind(self, entry: StoreEntry) -> ApiKind:
        return self._objects.kind(entry.obj["apiVersion"], entry.obj["kind"])

    def _deleting(self, entry: StoreEntry) -> float | None:
        finalizers = entry.obj["metadata"].get("finalizers") or ()
        if ORPHAN in finalizers:
            for dependent in self._store.owned_by(entry.obj["metadata"]["uid"]):
                self._release(dependent, {entry.obj["metadata"]["uid"]})
            self._objects.remove_finalizer(self._kind(entry), entry.ref, ORPHAN)
        elif FOREGROUND in finalizers:
            return self._foreground(entry)
        return None

    def _foreground(self, entry: StoreEntry) -> float | None:
        blocking = False
        for dependent in self._store.owned_by(entry.obj["metadata"]["uid"]):
            if "deletionTimestamp" not in dependent.obj["metadata"]:
                self._delete(dependent, DeleteOptions(propagation="Foreground"))
            blocking = blocking or self._blocks(dependent, entry)
        if not blocking:
            self._objects.remove_finalizer(self._kind(entry), entry.ref, FOREGROUND)
        return RETRY_SECONDS if blocking else None

    def _blocks(self, dependent: StoreEntry, owner: StoreEntry) -> bool:
        current = self._store.get(dependent.ref)
        if current is None:
            return False
        uid = owner.obj["metadata"]["uid"]
        return any(item["uid"] == uid and item.get("blockOwnerDeletion") for item in _owners(current.obj))

    def _collect(self, entry: StoreEntry) -> None:
        """Delete a dependent when none of its owners exists; otherwise drop the references to those that are gone."""
        absent = {owner["uid"] for owner in _owners(entry.obj) if not self._exists(owner, entry)}
        if not absent:
            return
        if len(absent) < len(_owners(entry.obj)):
            self._release(entry, absent)
        else:
            self._delete(entry, DeleteOptions(propagation="Background", uid=entry.obj["metadata"]["uid"]))

    def _exists(self, owner: Json, entry: StoreEntry) -> bool:
        found = self._store.find_uid(owner["uid"])
        return (
            found is not None and found.ref.namespace in ("", entry.ref.namespace) and found.ref.name == owner["name"]
        )

    def _release(self, entry: StoreEntry, uids: set[str]) -> None:
        kept = [owner for owner in _owners(entry.obj) if owner["uid"] not in uids]
        self._objects.merge(self._kind(entry), entry, {"metadata": {"ownerReferences": kept or None}})

    def _delete(self, entry: StoreEntry, options: DeleteOptions) -> None:
        try:
            self._objects.delete(self._kind(entry), entry.ref.namespace, entry.ref.name, options)
        except ApiError as error:
            _log.debug("not collected: %s", error)


def _under_policy(metadata: Json) -> bool:
    finalizers = metadata.get("finalizers") or ()
    return "deletionTimestamp" in metadata and (ORPHAN in finalizers or FOREGROUND in finalizers)
