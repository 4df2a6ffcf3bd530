"""The namespace controller: gives a new namespace its ServiceAccount, empties one that is being deleted."""

from __future__ import annotations

from mcptasks_embedded.controllers.controller import RETRY_SECONDS, Controller, own_key
from mcptasks_embedded.objects.operations import Objects
from mcptasks_embedded.objects.options import DeleteOptions
from mcptasks_embedded.store.changes import StoreEntry
from mcptasks_embedded.values.references import NAMESPACES, Ref


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
            return RETRY_SECONDS
        self._objects.finalize_namespace(entry)
        return None
