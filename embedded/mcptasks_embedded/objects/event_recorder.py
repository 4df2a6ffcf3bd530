"""Events about objects, as controllers and the kubelet record them."""

from __future__ import annotations

import logging
import time

from mcptasks_embedded.objects.operations import Objects
from mcptasks_embedded.values import times
from mcptasks_embedded.values.errors import ApiError
from mcptasks_embedded.values.json_object import Json

_log = logging.getLogger(__name__)


class EventRecorder:
    """Writes events about objects; repeats of the same event raise its count instead of adding one."""

    def __init__(self, objects: Objects, component: str) -> None:
        self._objects = objects
        self._component = component
        self._kind = objects.kind("v1", "Event")
        self._seen: dict[tuple[str, ...], str] = {}

    def normal(self, obj: Json, reason: str, message: str) -> None:
        self._record("Normal", obj, reason, message)

    def warning(self, obj: Json, reason: str, message: str) -> None:
        self._record("Warning", obj, reason, message)

    def _record(self, severity: str, obj: Json, reason: str, message: str) -> None:
        metadata = obj["metadata"]
        key = (metadata["uid"], severity, reason, message)
        namespace = metadata.get("namespace") or "default"
        try:
            if key in self._seen and self._repeat(namespace, self._seen[key]):
                return
            event = self._event(severity, obj, reason, message)
            self._seen[key] = self._objects.create(self._kind, namespace, event).ref.name
        except ApiError as error:
            # The namespace may be going away; an event is never worth failing for.
            _log.debug("event not recorded: %s", error)
        if len(self._seen) > 4096:
            self._seen.clear()

    def _repeat(self, namespace: str, name: str) -> bool:
        entry = self._objects.store.get(self._kind.ref(namespace, name))
        if entry is None:
            return False
        body = {"count": entry.obj.get("count", 1) + 1, "lastTimestamp": times.stamp()}
        self._objects.merge(self._kind, entry, body)
        return True

    def _event(self, severity: str, obj: Json, reason: str, message: str) -> Json:
        metadata = obj["metadata"]
        involved = {
            "kind": obj["kind"],
            "apiVersion": obj["apiVersion"],
            "namespace": metadata.get("namespace", ""),
            "name": metadata["name"],
            "uid": metadata["uid"],
            "resourceVersion": metadata.get("resourceVersion", ""),
        }
        stamp = times.stamp()
        return {
            "metadata": {"name": f"{metadata['name'][:230]}.{time.time_ns():x}"},
            "involvedObject": {name: value for name, value in involved.items() if value},
            "type": severity,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": "",
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
