"""The TTL controller: deletes finished Jobs when their time is over."""

from __future__ import annotations

from mcptasks_embedded.controllers.controller import Controller, own_key
from mcptasks_embedded.controllers.job_conditions import finished_at
from mcptasks_embedded.objects.operations import Objects
from mcptasks_embedded.objects.options import DeleteOptions
from mcptasks_embedded.values import times
from mcptasks_embedded.values.references import JOBS, Ref

#: Kubernetes' TTL controller takes this long after a Job's end, in seconds, even with a TTL of 0.
_TTL_GAP = 0.03


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
