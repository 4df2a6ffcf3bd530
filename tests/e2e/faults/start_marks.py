"""Counts how often the tools of tasks have begun in workers, by the marks that they leave in the workers' logs."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import httpx2

from mcptasks.model.base import LABEL_WORKER, JsonObject
from mcptasks.model.task_lines import TaskLine
from tests.e2e.api import ClusterApi
from tests.e2e.periodic_look import PeriodicLook

EVERY_SECONDS = 2.0
MARK = "mark of a start"


class StartMarks(PeriodicLook):
    """Reads the logs of all workers again and again. What a Pod has printed in its last moments may be missed."""

    def __init__(self, api: ClusterApi) -> None:
        super().__init__("start marks", EVERY_SECONDS)
        self._api = api
        self._counts: dict[str, Counter[str]] = {}

    def of(self, task_id: str) -> int:
        """How often the task's tool has begun so far."""
        return sum(counts[task_id] for counts in list(self._counts.values()))

    def look(self) -> None:
        for pod in self._api.pods():
            if is_worker(pod):
                with suppress(httpx2.HTTPStatusError):
                    self._counts[pod["metadata"]["uid"]] = starts_in(self._api.log(pod["metadata"]["name"]))


def is_worker(pod: JsonObject) -> bool:
    """Whether the Pod is a worker's: one that belongs to a task's Job now as well."""
    return LABEL_WORKER in (pod["metadata"].get("labels") or {})


def starts_in(log: str) -> Counter[str]:
    """How often each task's tool has begun."""
    lines = map(TaskLine.parse, log.splitlines())
    return Counter(line.task for line in lines if line is not None and line.text == MARK)
