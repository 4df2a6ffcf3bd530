"""Metrics of the operator: how it gets on with its work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from mcptasks.metrics.instruments import Instruments, LabelBudget
from mcptasks.metrics.process_metrics import process_metrics
from mcptasks.metrics.task_metrics import DELAY_BUCKETS, TaskMetrics
from mcptasks.model.lifecycle import created_at
from mcptasks.model.task import McpTask, Phase
from mcptasks_operator.watching.cache import Cache

RECONCILE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 180)
GONE_BUCKETS = (0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300)


class ObservedQueue(Protocol):
    """What the metrics show of the work queue."""

    @property
    def busy(self) -> int: ...

    @property
    def delayed(self) -> int: ...

    @property
    def oldest_seconds(self) -> float: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class LeadingWork:
    """The work of a leading operator."""

    queue: ObservedQueue
    cache: Cache


@dataclass(eq=False)
class ProcessState:
    """What the metrics are read from; `work` is set while this process leads."""

    silence: Callable[[], float] = lambda: 0.0
    work: LeadingWork | None = None

    def of_work(self, read: Callable[[LeadingWork], float]) -> Callable[[], float]:
        """The value while this process leads, otherwise 0."""
        return lambda: 0.0 if self.work is None else read(self.work)

    def phases(self) -> dict[str, float]:
        """How many of the known tasks are in each phase."""
        if self.work is None:
            return {}
        tasks = self.work.cache.tasks
        found = Counter(_phase(item) for key in tasks for item in tasks.of(key))
        return {phase.value: found[phase.value] for phase in Phase}


def _phase(item: dict[str, object]) -> str:
    status = item.get("status")
    phase = status.get("phase") if isinstance(status, dict) else None
    return str(phase or Phase.WORKING.value)


@dataclass(eq=False)
class OperatorMetrics:
    """All metrics of one operator process, in the registry of `instruments`."""

    state: ProcessState = field(default_factory=ProcessState)
    instruments: Instruments = field(default_factory=Instruments)

    def __post_init__(self) -> None:
        make, state = self.instruments, self.state
        self._templates = LabelBudget()
        self.tasks = TaskMetrics(make)
        self._jobs = make.histogram(
            "mcptasks_job_creation_delay_seconds",
            "From a task's creation until the operator made its Job.",
            DELAY_BUCKETS,
            ["template"],
        )
        self._gone = make.histogram(
            "mcptasks_cancel_to_pods_gone_seconds",
            "From a task's cancellation until its last Pod was gone.",
            GONE_BUCKETS,
        )
        self._reconciles = make.counter(
            "mcptasks_operator_reconciles_total",
            "Tasks that were worked on. `outcome`: ok, api_error (the API server refused or did not answer), fault "
            "(ours; see the log).",
            ["outcome"],
        )
        self._seconds = make.histogram(
            "mcptasks_operator_reconcile_duration_seconds", "Time to work on one task once.", RECONCILE_BUCKETS
        )
        _observe_state(make, state)
        process_metrics(make, "operator")

    def reconciled(self, outcome: str, seconds: float) -> None:
        """A task was worked on."""
        self._reconciles.labels(outcome).inc()
        self._seconds.observe(seconds)

    def job_created(self, task: McpTask, now: datetime) -> None:
        """The task's Job was made."""
        delay = (now - created_at(task)).total_seconds()
        self._jobs.labels(self._templates.of(task.spec.template_ref.name)).observe(max(0.0, delay))

    def pods_gone(self, task: McpTask, now: datetime) -> None:
        """The last Pod of an ended task is gone."""
        if task.phase is Phase.CANCELLED and task.status.finished_at is not None:
            self._gone.observe(max(0.0, (now - task.status.finished_at).total_seconds()))


def _observe_state(make: Instruments, state: ProcessState) -> None:
    """The metrics that are read from the process when they are asked for."""
    make.table("mcptasks_tasks", "Tasks that there are, by phase. Told by the leader only.", "phase", state.phases)
    make.gauge("mcptasks_operator_leader", "1 where this process leads.", lambda: 0.0 if state.work is None else 1.0)
    make.gauge(
        "mcptasks_operator_queue_ready",
        "Tasks that wait for a worker.",
        state.of_work(lambda work: len(work.queue)),
    )
    make.gauge("mcptasks_operator_queue_busy", "Tasks that are worked on.", state.of_work(lambda work: work.queue.busy))
    make.gauge(
        "mcptasks_operator_queue_delayed",
        "Tasks that wait for their time: a deadline, an expiry, a pause after an error.",
        state.of_work(lambda work: work.queue.delayed),
    )
    make.gauge(
        "mcptasks_operator_oldest_work_seconds",
        "Age of the oldest work that is not done.",
        state.of_work(lambda work: work.queue.oldest_seconds),
    )
    make.gauge(
        "mcptasks_operator_silence_seconds",
        "Time since the last resync of the leader, or the last look at the Lease of a process that stands by.",
        state.silence,
    )
