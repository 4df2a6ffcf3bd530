"""The quota controller: says in the status of each ResourceQuota what is allowed and what is used."""

from __future__ import annotations

from mcptasks_embedded.controllers.controller import Controller, own_key
from mcptasks_embedded.objects.operations import Objects
from mcptasks_embedded.objects.quota import amount_text, used
from mcptasks_embedded.store.changes import Change
from mcptasks_embedded.values.references import JOBS, PODS, QUOTAS, Ref


class QuotaController(Controller):
    """Keeps `status` of quotas: what is allowed and what is used."""

    def __init__(self, objects: Objects) -> None:
        super().__init__("quota controller", objects.store)
        self._objects = objects
        self._kind = objects.kind("v1", "ResourceQuota")
        self.watch(QUOTAS, own_key)
        self.watch(PODS, self._quotas_of)
        self.watch(JOBS, self._quotas_of)

    def _quotas_of(self, change: Change) -> list[Ref]:
        return [quota.ref for quota in self._store.entries(QUOTAS, change.entry.ref.namespace)]

    def reconcile(self, key: Ref) -> float | None:
        entry = self._store.get(key)
        if entry is not None:
            hard = (entry.obj.get("spec") or {}).get("hard") or {}
            amounts = {
                name: amount_text(name, amount) for name, amount in used(self._store, key.namespace, hard).items()
            }
            self._objects.set_status(self._kind, entry, {"hard": hard, "used": amounts})
        return None
