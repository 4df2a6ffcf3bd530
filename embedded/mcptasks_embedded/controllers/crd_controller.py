"""The CRD controller: a CustomResourceDefinition that is deleted takes its objects with it."""

from __future__ import annotations

from mcptasks_embedded.controllers.controller import RETRY_SECONDS, Controller, own_key
from mcptasks_embedded.kinds.crd_strategy import FINALIZER
from mcptasks_embedded.objects.operations import Objects
from mcptasks_embedded.objects.options import DeleteOptions
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.references import CRDS, GroupResource, Ref


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
            return RETRY_SECONDS
        self._objects.registry.drop_crd(key.name)
        definitions = self._objects.kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")
        self._objects.remove_finalizer(definitions, key, FINALIZER)
        return None

    def _remove_all(self, kind: ApiKind) -> bool:
        left = False
        for item in tuple(self._store.entries(kind.storage)):
            if "deletionTimestamp" not in item.obj["metadata"]:
                self._objects.delete(kind, item.ref.namespace, item.ref.name, DeleteOptions())
            left = left or self._store.get(item.ref) is not None
        return left
