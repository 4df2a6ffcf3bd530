"""Whether what was measured as warm was warm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from mcptasks.model.base import JsonObject
from mcptasks.model.task_lines import TaskLine
from mcptasks.model.task_template import Executor


class MissedWorkerError(Exception):
    """What was to be measured as warm was not, or a task was started twice."""


@dataclass
class HitCount:
    """How many tasks were run by workers that were ready before the call."""

    tasks: int = 0

    @property
    def rate(self) -> float | None:
        """1, or None where there were no tasks: one that misses ends the run."""
        return 1.0 if self.tasks else None

    def check(self, tasks: Iterable[JsonObject], ready: Collection[str]) -> None:
        """Count the tasks.

        Args:
            tasks: McpTasks that have been claimed.
            ready: uids of the Pods of workers that were ready before the tasks were called.

        Raises:
            MissedWorkerError: a task was not run by one of them, or was started more than once.
        """
        for task in tasks:
            name, status = task["metadata"]["name"], task.get("status") or {}
            if status.get("executor") != Executor.WARM or status.get("podUid") not in ready:
                raise MissedWorkerError(f"{name} was not run by a worker that was ready before the call: {status}")
            if status.get("attempts") != 1:
                raise MissedWorkerError(f"{name} was started {status.get('attempts')} times")
            self.tasks += 1


def check_cold(task: JsonObject) -> None:
    """Raises MissedWorkerError for a task that a worker has run."""
    status = task.get("status") or {}
    if status.get("executor") == Executor.WARM:
        raise MissedWorkerError(f"{task['metadata']['name']} was to have a Pod of its own: {status}")


def check_executions(log: Iterable[str], tasks: Collection[str], printed: str) -> None:
    """Raises MissedWorkerError where a task has not printed exactly one such line, in the logs of workers."""
    lines = [line for line in map(TaskLine.parse, log) if line is not None]
    counts = Counter(line.task for line in lines if line.text == printed)
    for task in tasks:
        if counts[task] != 1:
            raise MissedWorkerError(f"{task} was executed {counts[task]} times")
