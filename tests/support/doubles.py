"""Doubles for unit tests: a store of McpTasks that keeps the API server's promises, in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from mcptasks.kube.errors import AlreadyExistsError, NotFoundError
from mcptasks.kube.task_objects import StatusChange, parse_task
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.task import McpTask


@dataclass
class MemoryTasks:
    """Stands in for `TaskClient`: objects get uid, resource version and creation time, patches are conditional.

    `reads` counts those of callers; the one in each update is its own.
    """

    items: dict[str, JsonObject] = field(default_factory=dict)
    version: int = 1
    writes: int = 0
    reads: int = 0
    fail_with: Exception | None = None

    async def create(self, namespace: str, body: JsonObject) -> JsonObject:
        self._maybe_fail()
        if (name := body["metadata"]["name"]) in self.items:
            raise AlreadyExistsError(409, "AlreadyExists", f"{name} already exists")
        item: JsonObject = json.loads(json.dumps(body))
        stamp = utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")
        item["metadata"] |= {"namespace": namespace, "uid": f"uid-{self.version}", "creationTimestamp": stamp}
        return self._store(item)

    async def get(self, namespace: str, name: str) -> JsonObject:
        self.reads += 1
        return self._item(name)

    async def update_status(
        self, known: JsonObject, change: StatusChange, *, parsed: McpTask | None = None
    ) -> JsonObject:
        item = self._item(known["metadata"]["name"])
        newest = known["metadata"]["resourceVersion"] == item["metadata"]["resourceVersion"]
        patch = change(parsed if parsed is not None and newest else parse_task(item))
        if patch is None:
            return item
        changed: JsonObject = json.loads(json.dumps(item))
        status = changed.setdefault("status", {})
        status.update(patch["status"])
        changed["status"] = {key: value for key, value in status.items() if value is not None}
        return self._store(changed)

    def _item(self, name: str) -> JsonObject:
        self._maybe_fail()
        if name not in self.items:
            raise NotFoundError(404, "NotFound", f"{name} not found")
        return self.items[name]

    def _store(self, item: JsonObject) -> JsonObject:
        self.version += 1
        self.writes += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        self.items[item["metadata"]["name"]] = item
        return item

    def _maybe_fail(self) -> None:
        if self.fail_with is not None:
            raise self.fail_with
