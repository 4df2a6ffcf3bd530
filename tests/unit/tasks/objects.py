"""Objects of tasks, as the API server stores them."""

from __future__ import annotations

from typing import Any

from mcptasks.model.base import JsonObject

NAMESPACE = "default"
MINE = {"clientId": "c", "issuer": "i", "subject": "s"}


def task_object(name: str = "a", *, version: int = 1, status: JsonObject | None = None, **spec: Any) -> JsonObject:
    """A task of the year 2000, of the server `default`."""
    item: JsonObject = {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": name,
            "resourceVersion": str(version),
            "creationTimestamp": "2000-01-01T00:00:00Z",
        },
        "spec": {"server": "default", "component": {"kind": "tool", "name": "add"}} | spec,
    }
    return item if status is None else item | {"status": status}
