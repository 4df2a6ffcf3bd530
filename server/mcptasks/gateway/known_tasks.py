"""The tasks of one server as its watch has them, to be found by uid as well."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mcptasks.gateway.task_holding import claim_of, is_over, is_unaccounted
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import JsonObject


def template_of(item: JsonObject) -> str:
    """The name of the task's template."""
    return str((item["spec"].get("templateRef") or {}).get("name") or "default")


@dataclass(eq=False)
class KnownTasks:
    """Reads the watch cache; remembers which uids have been heard of."""

    namespace: str
    cache: WatchCache
    _names: dict[str, str] = field(default_factory=dict)

    def note(self, item: JsonObject) -> bool:
        """Remember the task; gives whether it is new."""
        uid = item["metadata"]["uid"]
        is_new = uid not in self._names
        self._names[uid] = item["metadata"]["name"]
        return is_new

    def forget(self, uid: str) -> None:
        """The task is gone."""
        self._names.pop(uid, None)

    def name_of(self, uid: str) -> str | None:
        """The name of a task that has been heard of."""
        return self._names.get(uid)

    def get(self, uid: str) -> JsonObject | None:
        """The task with this uid as it was last seen; None where it is not known or gone."""
        name = self._names.get(uid)
        return None if name is None else self.named(name, uid)

    def named(self, name: str, uid: str) -> JsonObject | None:
        """As `get`, by its name."""
        item = self.cache.get(self.namespace, name)
        return item if item is not None and item["metadata"]["uid"] == uid else None

    def of_template(self, template: str) -> Iterable[JsonObject]:
        """The tasks that name the template."""
        return [item for item in self.cache.values() if template_of(item) == template]

    def claimed_by(self, pod_uid: str) -> list[tuple[str, str]]:
        """Uids and names of the tasks that the worker runs as far as is known."""
        return [_uid_and_name(item) for item in self._claims_of(pod_uid) if not is_over(item)]

    def unaccounted_of(self, pod_uid: str) -> list[tuple[str, str]]:
        """Uids and names of those that have ended and of which the worker has not said that nothing is left."""
        return [_uid_and_name(item) for item in self._claims_of(pod_uid) if is_unaccounted(item)]

    def _claims_of(self, pod_uid: str) -> Iterable[JsonObject]:
        return (item for item in self.cache.values() if (claimed := claim_of(item)) and claimed[0] == pod_uid)


def _uid_and_name(item: JsonObject) -> tuple[str, str]:
    return item["metadata"]["uid"], item["metadata"]["name"]
