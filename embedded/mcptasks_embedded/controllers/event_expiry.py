"""Events expire an hour after they were last written."""

from __future__ import annotations

import time

from mcptasks_embedded.controllers.controller import Controller
from mcptasks_embedded.objects.operations import Objects
from mcptasks_embedded.values import times
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.references import EVENTS, Ref

#: How long an event is kept, in seconds.
EVENT_SECONDS = 3600.0


class EventExpiry(Controller):
    """Deletes events an hour after they were last written, as the API server does."""

    def __init__(self, objects: Objects) -> None:
        super().__init__("event expiry", objects.store)
        self.watch(EVENTS, lambda change: [] if change.type == "DELETED" else [change.entry.ref])

    def reconcile(self, key: Ref) -> float | None:
        entry = self._store.get(key)
        if entry is None:
            return None
        left = times.parse(_last_written(entry.obj)).timestamp() + EVENT_SECONDS - time.time()
        if left <= 0:
            self._store.remove(key)
            return None
        return left


def _last_written(event: Json) -> str:
    return str(event.get("lastTimestamp") or event["metadata"]["creationTimestamp"])
