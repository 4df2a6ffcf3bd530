"""Metrics of the operator: how it gets on with its work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from mcptasks.kube.watch_cache import Key
from mcptasks.metrics.instruments import Instruments, LabelBudget
from mcptasks.metrics.process_metrics import process_metrics
from mcptasks.metrics.task_metrics import DELAY_BUCKETS, TaskMetrics
from mcptasks.model.lifecycle import created_at
from mcptasks.model.task import McpTask, Phase, Reason
from mcptasks_operator.deciding.pool_report import PoolCounts
from mcptasks_operator.watching.cache import Cache

RECONCILE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 180)


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
    pools: dict[Key, PoolCounts] = field(default_factory=dict)
    templates: LabelBudget = field(default_factory=LabelBudget)

    def of_work(self, read: Callable[[LeadingWork], float]) -> Callable[[], float]:
        """The value while this process leads, otherwise 0."""
        return lambda: 0.0 if self.work is None else read(self.work)

    def of_pools(self, read: Callable[[PoolCounts], dict[str, float]]) -> dict[tuple[str, ...], float]:
        """Sums by template of what `read` gives, and by its keys but the empty one, while this process leads."""
        found: Counter[tuple[str, ...]] = Counter()
        known = () if self.work is None else self.work.cache.templates
        for key in known:
            for name, number in read(self.pools.get(key, PoolCounts())).items() if key in self.pools else ():
                labels = (self.templates.of(key[1]), name) if name else (self.templates.of(key[1]),)
                found[labels] += int(number)
        return dict(found)

    def phases(self) -> dict[tuple[str, ...], float]:
        """How many of the known tasks are in each phase."""
        if self.work is None:
            return {}
        tasks = self.work.cache.tasks
        found = Counter(_phase(item) for key in tasks for item in tasks.of(key))
        return {(phase.value,): found[phase.value] for phase in Phase}


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
        self._workers_made = make.counter(
            "mcptasks_workers_created_total", "Pods that were made for workers.", ["template"]
        )
        self._worker_failures = make.counter(
            "mcptasks_worker_failures_total",
            "Workers that have ended with a failure, or could not be made, by the reasons of docs/failures.md.",
            ["template", "reason"],
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

    def worker_made(self, template: str) -> None:
        """A Pod was made for a worker."""
        self._workers_made.labels(self._templates.of(template)).inc()

    def worker_failed(self, template: str, reason: Reason) -> None:
        """A worker has ended with a failure, or could not be made."""
        self._worker_failures.labels(self._templates.of(template), reason.value).inc()

    def pool(self, template: Key, counts: PoolCounts | None) -> None:
        """A template's workers; None where it has none."""
        if counts is None:
            self.state.pools.pop(template, None)
        else:
            self.state.pools[template] = counts


def _by_state(counts: PoolCounts) -> dict[str, float]:
    return {"idle": max(counts.ready - counts.busy, 0), "busy": counts.busy, "starting": counts.starting}


def _observe_state(make: Instruments, state: ProcessState) -> None:
    """The metrics that are read from the process when they are asked for."""
    make.table("mcptasks_tasks", "Tasks that there are, by phase. Told by the leader only.", ["phase"], state.phases)
    make.table(
        "mcptasks_workers",
        "Workers that there are. `state`: idle, busy, starting. Told by the leader only.",
        ["template", "state"],
        lambda: state.of_pools(_by_state),
    )
    make.table(
        "mcptasks_workers_wanted",
        "Workers that there should be for what runs and waits. Told by the leader only.",
        ["template"],
        lambda: state.of_pools(lambda counts: {"": counts.wanted}),
    )
    make.table(
        "mcptasks_worker_tasks_waiting",
        "Tasks that wait for a worker. Told by the leader only.",
        ["template"],
        lambda: state.of_pools(lambda counts: {"": counts.waiting}),
    )
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
