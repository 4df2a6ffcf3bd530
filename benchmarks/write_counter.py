"""How often the tasks and their Jobs are written, counted by the versions that a watch brings."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from benchmarks.observer import MomentObserver
from mcptasks.model.base import JsonObject

WRITTEN = ("ADDED", "MODIFIED")


@dataclass
class WriteCounter(MomentObserver):
    """Counts each version of each task and of each task's Job: all writes but those that were refused."""

    _tasks: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _task_jobs: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def per_task(self, tasks: list[str]) -> dict[str, float]:
        """Writes per task by kind, of those tasks."""
        with self._news:
            found = Counter(mcptasks=sum(self._tasks[task] for task in tasks))
            found["jobs"] = sum(self._task_jobs[task] for task in tasks)
        return {kind: round(count / len(tasks), 2) for kind, count in found.items()}

    def _task(self, event: str, item: JsonObject, now: float) -> None:
        super()._task(event, item, now)
        self._tasks[item["metadata"]["name"]] += event in WRITTEN

    def _job(self, event: str, item: JsonObject, now: float) -> None:
        super()._job(event, item, now)
        self._task_jobs[item["metadata"]["name"]] += event in WRITTEN
