"""Metrics of tasks, counted by the process that writes the status: server and operator both have them.

Every status write is conditional, so that each change of a task is counted by one process only; sums over all processes
are right. A write whose answer was lost is not counted.
"""

from __future__ import annotations

from mcptasks.metrics.instruments import OTHER, Instruments, LabelBudget
from mcptasks.model.base import JsonObject, time_of
from mcptasks.model.lifecycle import PODS_TERMINATED
from mcptasks.model.task import Phase, Reason
from mcptasks.model.task_template import Executor
from mcptasks.settings import KIB, MIB

DELAY_BUCKETS = (0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
RUN_BUCKETS = (1, 2, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 21600, 86400)
GONE_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300)
MEMORY_BUCKETS = tuple(MIB * 2**power for power in range(5, 16))
SIZE_BUCKETS = (KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB, 64 * MIB)

_TERMINAL = frozenset(phase.value for phase in Phase if phase.terminal)
_REASONS = frozenset(reason.value for reason in Reason)


class TaskMetrics:
    """Observes the writes of a `TaskClient`."""

    def __init__(self, instruments: Instruments) -> None:
        self._tools, self._templates = LabelBudget(), LabelBudget()
        self._created = instruments.counter(
            "mcptasks_tasks_created_total", "Tasks that were stored for a caller.", ["tool"]
        )
        self._attempts = instruments.counter(
            "mcptasks_task_attempts_total",
            "Attempts that began to run: a Pod took the task over. `executor`: Job, Warm.",
            ["tool", "executor"],
        )
        self._ended = instruments.counter(
            "mcptasks_tasks_ended_total",
            "Tasks that ended, by phase and by the reasons of docs/failures.md.",
            ["tool", "phase", "reason"],
        )
        self._start = instruments.histogram(
            "mcptasks_task_start_seconds",
            "From a task's creation until its first Pod began to run it: queue, scheduling, image pull, start.",
            DELAY_BUCKETS,
            ["template"],
        )
        self._run = instruments.histogram(
            "mcptasks_task_run_seconds",
            "From the start of a task's last attempt to the task's end.",
            RUN_BUCKETS,
            ["tool"],
        )
        self._cpu = instruments.counter(
            "mcptasks_task_cpu_seconds_total",
            "Seconds of CPU that tasks have used, as their status says it.",
            ["tool", "executor"],
        )
        self._memory = instruments.histogram(
            "mcptasks_task_peak_memory_bytes",
            "Memory of a task's largest process at its largest, as its status says it.",
            MEMORY_BUCKETS,
            ["tool"],
        )
        self._gone = instruments.histogram(
            "mcptasks_cancel_to_pods_gone_seconds",
            "From a task's cancellation until its last process was gone.",
            GONE_BUCKETS,
        )
        self._result = instruments.histogram(
            "mcptasks_result_bytes", "Sizes of recorded results, by where they are kept.", SIZE_BUCKETS, ["store"]
        )

    def created(self, item: JsonObject) -> None:
        """A task was stored."""
        self._created.labels(self._tool(item)).inc()

    def written(self, patch: JsonObject, item: JsonObject) -> None:
        """The patch was written to a task's status, which is the item now."""
        changed = patch.get("status") or {}
        if changed.get("startedAt"):
            self._started(item)
        ends = changed.get("phase") in _TERMINAL
        if ends:
            self._finished(item)
        if "usage" in changed and item["status"].get("phase") in _TERMINAL:
            self._used(item)
        if not ends and item["status"].get("phase") == Phase.CANCELLED and "conditions" in changed:
            self._processes_gone(item)

    def template(self, item: JsonObject) -> str:
        """Label of the task's template."""
        return self._templates.of(str((item["spec"].get("templateRef") or {}).get("name", "default")))

    def _tool(self, item: JsonObject) -> str:
        return self._tools.of(str(item["spec"]["component"]["name"]))

    def _started(self, item: JsonObject) -> None:
        self._attempts.labels(self._tool(item), _executor(item)).inc()
        if item["status"].get("attempts", 1) == 1:
            delay = _between(item["metadata"]["creationTimestamp"], item["status"]["startedAt"])
            if delay is not None:
                self._start.labels(self.template(item)).observe(delay)

    def _finished(self, item: JsonObject) -> None:
        status, tool = item["status"], self._tool(item)
        reason = status.get("reason")
        self._ended.labels(tool, status["phase"], reason if reason in _REASONS else OTHER).inc()
        if status.get("startedAt") and status.get("finishedAt"):
            seconds = _between(status["startedAt"], status["finishedAt"])
            if seconds is not None:
                self._run.labels(tool).observe(seconds)
        if result := status.get("result"):
            self._result.labels("redis" if result.get("ref") else "inline").observe(result.get("sizeBytes") or 0)

    def _used(self, item: JsonObject) -> None:
        """The usage of all attempts is known, with the task's end or after it."""
        usage, tool = item["status"]["usage"], self._tool(item)
        self._cpu.labels(tool, _executor(item)).inc(usage["cpuSeconds"])
        self._memory.labels(tool).observe(usage["peakMemoryBytes"])

    def _processes_gone(self, item: JsonObject) -> None:
        """A cancelled task is not written again once this is known."""
        gone: JsonObject = next((c for c in item["status"].get("conditions") or () if c["type"] == PODS_TERMINATED), {})
        seconds = _between(str(item["status"].get("finishedAt")), str(gone.get("lastTransitionTime")))
        if gone.get("status") == "True" and seconds is not None:
            self._gone.observe(seconds)


def _executor(item: JsonObject) -> str:
    return Executor.WARM if item["status"].get("executor") == Executor.WARM else Executor.JOB


def _between(start: str, end: str) -> float | None:
    """Seconds between two timestamps of the API, never less than none: their clocks may differ.

    None where one is no time.
    """
    begun, ended = time_of(start), time_of(end)
    return None if begun is None or ended is None else max(0.0, (ended - begun).total_seconds())
