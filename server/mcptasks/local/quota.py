"""ResourceQuota for object counts: `pods` and `count/<resource>`. Compute resources are not counted.

https://kubernetes.io/docs/concepts/policy/resource-quotas/#quota-on-object-count
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mcptasks.local import errors
from mcptasks.local.controller import Controller, itself
from mcptasks.local.kinds import Kind
from mcptasks.local.quantity import parse_quantity
from mcptasks.local.rest import Rest
from mcptasks.local.store import Change, Ref, Resource, Store

Json = dict[str, Any]

QUOTAS = Resource("", "resourcequotas")
PODS = Resource("", "pods")


def _counted(name: str) -> Resource | None:
    """The resource that an entry of `spec.hard` is about; None when it is not counted here."""
    if name == "pods":
        return PODS
    if not name.startswith("count/"):
        return None
    plural, _, group = name.removeprefix("count/").partition(".")
    return Resource(group, plural)


def used(store: Store, namespace: str, name: str) -> int:
    resource = _counted(name)
    if resource is None:
        return 0
    return sum(name != "pods" or _is_running(entry.obj) for entry in store.entries(resource, namespace))


def _is_running(pod: Json) -> bool:
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


class Quota:
    """Refuses an object that would exceed a quota of its namespace."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, kind: Kind, namespace: str, obj: Json) -> None:
        if not kind.namespaced:
            return
        for quota in self._store.entries(QUOTAS, namespace):
            hard = (quota.obj.get("spec") or {}).get("hard") or {}
            for name in sorted(hard):
                if _counted(name) == kind.storage:
                    self._check(kind, obj, quota.ref, name, parse_quantity(hard[name]))

    def _check(self, kind: Kind, obj: Json, quota: Ref, name: str, limit: Decimal) -> None:
        present = used(self._store, quota.namespace, name)
        if present + 1 > limit:
            why = f"exceeded quota: {quota.name}, requested: {name}=1, used: {name}={present}, limited: {name}={limit}"
            raise errors.forbidden(kind, obj["metadata"]["name"], why)


class QuotaController(Controller):
    """Keeps `status` of quotas: what is allowed and what is used."""

    def __init__(self, rest: Rest) -> None:
        super().__init__("quota controller", rest.store)
        self._rest = rest
        self._kind = rest.kind("v1", "ResourceQuota")
        self.watch(QUOTAS, itself)
        self.watch(PODS, self._quotas_of)
        self.watch(Resource("batch", "jobs"), self._quotas_of)

    def _quotas_of(self, change: Change) -> list[Ref]:
        return [quota.ref for quota in self._store.entries(QUOTAS, change.entry.ref.namespace)]

    def reconcile(self, key: Ref) -> float | None:
        entry = self._store.get(key)
        if entry is not None:
            hard = (entry.obj.get("spec") or {}).get("hard") or {}
            amounts = {name: str(used(self._store, key.namespace, name)) for name in hard}
            self._rest.set_status(self._kind, entry, {"hard": hard, "used": amounts})
        return None
