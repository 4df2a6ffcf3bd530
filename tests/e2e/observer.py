"""Writes down every task, and what it ever runs in, also Jobs and Pods that are gone when the task has ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from mcptasks.model.base import JsonObject
from tests.e2e.api import ClusterApi, task_of
from tests.e2e.periodic_look import PeriodicLook

EVERY_SECONDS = 0.5
NEVER = "1970-01-01T00:00:00Z"


class ClusterObserver(PeriodicLook):
    """Looks twice a second."""

    def __init__(self, api: ClusterApi) -> None:
        super().__init__("observer", EVERY_SECONDS)
        self._api = api
        self._jobs: defaultdict[str, set[str]] = defaultdict(set)
        self._pods: defaultdict[str, set[str]] = defaultdict(set)
        self._tasks: dict[str, JsonObject] = {}

    def jobs(self, task_id: str) -> int:
        """How many Jobs the task has had."""
        return len(self._jobs.get(task_id, ()))

    def pods(self, task_id: str) -> int:
        """In how many Pods the task's container has started.

        The Job controller may make a Pod too many when the API server dies meanwhile; it deletes that one again.
        """
        return len(self._pods.get(task_id, ()))

    def task(self, task_id: str) -> JsonObject:
        """The task as it was last seen; empty where it never was."""
        return self._tasks.get(task_id, {})

    def look(self) -> None:
        self._tasks |= self._api.tasks()
        _note(self._jobs, self._api.jobs())
        _note(self._pods, filter(_has_started, self._api.pods()))


def _has_started(pod: JsonObject) -> bool:
    states = [container.get("state") or {} for container in pod["status"].get("containerStatuses") or ()]
    # A container that could not be started is said to have started then.
    return any("running" in state or state.get("terminated", {}).get("startedAt", NEVER) != NEVER for state in states)


def _note(seen: defaultdict[str, set[str]], items: Iterable[JsonObject]) -> None:
    for item in items:
        if task_id := task_of(item):
            seen[task_id].add(str(item["metadata"]["uid"]))
