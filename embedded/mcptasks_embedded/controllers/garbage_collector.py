"""Garbage collection: dependents of objects that are gone, foreground and orphan deletion, namespaces, TTL of Jobs.

https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from mcptasks_embedded.controllers.controller import Controller, own_key
from mcptasks_embedded.objects.crd_strategy import FINALIZER
from mcptasks_embedded.objects.operations import FOREGROUND, ORPHAN, Objects
from mcptasks_embedded.objects.options import DeleteOptions, Patch
from mcptasks_embedded.store.memory import Change, StoreEntry
from mcptasks_embedded.values import times
from mcptasks_embedded.values.errors import ApiError
from mcptasks_embedded.values.kinds import ApiKind
from mcptasks_embedded.values.references import CRDS, JOBS, NAMESPACES, GroupResource, Ref

Json = dict[str, Any]
_log = logging.getLogger(__name__)

#: The TTL controller of Kubernetes needs that long after a Job's end, in seconds, even with a TTL of 0.
_TTL_GAP = 0.03
_RETRY = 0.2


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
                if self._tasks:
                    self._follow_last()

    def _follow_last(self) -> None:
        watch, keys = self._watched[-1]
        self._tasks.append(asyncio.create_task(self._follow(watch, keys)))

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
            self._drop_finalizer(entry, ORPHAN)
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
            self._drop_finalizer(entry, FOREGROUND)
        return _RETRY if blocking else None

    def _blocks(self, dependent: StoreEntry, owner: StoreEntry) -> bool:
        current = self._store.get(dependent.ref)
        if current is None:
            return False
        uid = owner.obj["metadata"]["uid"]
        return any(item["uid"] == uid and item.get("blockOwnerDeletion") for item in _owners(current.obj))

    def _drop_finalizer(self, entry: StoreEntry, finalizer: str) -> None:
        current = self._store.get(entry.ref)
        if current is None:
            return
        kept = [item for item in current.obj["metadata"].get("finalizers") or () if item != finalizer]
        self._objects.merge(self._kind(current), current, {"metadata": {"finalizers": kept or None}})

    def _collect(self, entry: StoreEntry) -> None:
        """Delete a dependent of which no owner exists; drop references to those that do not."""
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


class NamespaceController(Controller):
    """Gives a new namespace its ServiceAccount, empties a namespace that is being deleted."""

    def __init__(self, objects: Objects) -> None:
        super().__init__("namespace controller", objects.store)
        self._objects = objects
        self.watch(NAMESPACES, own_key)

    def reconcile(self, key: Ref) -> float | None:
        entry = self._store.get(key)
        if entry is None:
            return None
        if "deletionTimestamp" in entry.obj["metadata"]:
            return self._empty(entry)
        self.ensure_service_account(key.name)
        return None

    def ensure_service_account(self, namespace: str) -> None:
        kind = self._objects.kind("v1", "ServiceAccount")
        if self._store.get(kind.ref(namespace, "default")) is None:
            self._objects.create(kind, namespace, {"metadata": {"name": "default"}})

    def _empty(self, entry: StoreEntry) -> float | None:
        left = False
        kinds = {
            kind.storage: kind for kind in self._objects.registry.all() if kind.namespaced and "delete" in kind.verbs
        }
        for kind in kinds.values():
            for item in tuple(self._store.entries(kind.storage, entry.ref.name)):
                if "deletionTimestamp" not in item.obj["metadata"]:
                    self._objects.delete(kind, entry.ref.name, item.ref.name, DeleteOptions(propagation="Background"))
                left = left or self._store.get(item.ref) is not None
        if left:
            return _RETRY
        self._objects.finalize_namespace(entry)
        return None


def finished_at(job: Json) -> float | None:
    """Unix time of the Complete or Failed condition."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return times.parse(condition["lastTransitionTime"]).timestamp()
    return None


class TtlController(Controller):
    """Deletes finished Jobs `ttlSecondsAfterFinished` seconds after their end.

    https://kubernetes.io/docs/concepts/workloads/controllers/ttlafterfinished/
    """

    def __init__(self, objects: Objects) -> None:
        super().__init__("ttl controller", objects.store)
        self._objects = objects
        self._kind = objects.kind("batch/v1", "Job")
        self.watch(JOBS, own_key)
        self._waited: set[str] = set()

    def reconcile(self, key: Ref) -> float | None:
        entry = self._store.get(key)
        if entry is None or "deletionTimestamp" in entry.obj["metadata"]:
            return None
        ttl = entry.obj["spec"].get("ttlSecondsAfterFinished")
        finished = finished_at(entry.obj)
        if ttl is None or finished is None:
            return None
        left: float = finished + int(ttl) - times.now().timestamp()
        uid = entry.obj["metadata"]["uid"]
        if left <= 0 and uid in self._waited:
            self._waited.discard(uid)
            self._objects.delete(self._kind, key.namespace, key.name, DeleteOptions(propagation="Foreground", uid=uid))
            return None
        if left <= _TTL_GAP:
            self._waited.add(uid)
        return max(left, _TTL_GAP)


class CrdController(Controller):
    """Removes the objects of a CustomResourceDefinition that is being deleted, then the definition."""

    def __init__(self, objects: Objects) -> None:
        super().__init__("crd controller", objects.store)
        self._objects = objects
        self.watch(CRDS, own_key)

    def reconcile(self, key: Ref) -> float | None:
        entry = self._store.get(key)
        if entry is None or "deletionTimestamp" not in entry.obj["metadata"]:
            return None
        spec = entry.obj["spec"]
        resource = GroupResource(spec["group"], spec["names"]["plural"])
        kind = next((kind for kind in self._objects.registry.all() if kind.storage == resource), None)
        if kind is not None and self._remove_all(kind):
            return _RETRY
        self._objects.registry.drop_crd(key.name)
        finalizers = [item for item in entry.obj["metadata"].get("finalizers") or () if item != FINALIZER]
        change = Patch("merge", {"metadata": {"finalizers": finalizers or None}})
        self._objects.patch(self._objects.kind("apiextensions.k8s.io/v1", "CustomResourceDefinition"), key, change)
        return None

    def _remove_all(self, kind: ApiKind) -> bool:
        left = False
        for item in tuple(self._store.entries(kind.storage)):
            if "deletionTimestamp" not in item.obj["metadata"]:
                self._objects.delete(kind, item.ref.namespace, item.ref.name, DeleteOptions())
            left = left or self._store.get(item.ref) is not None
        return left
