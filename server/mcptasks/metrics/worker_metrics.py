"""Metrics of the workers that a server hands tasks to."""

from __future__ import annotations

from mcptasks.metrics.instruments import Instruments, LabelBudget

WAIT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
LOAD_BUCKETS = (0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120)
PROCESS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

AT_ONCE_SECONDS = 0.1
"""A task that has waited for less has found a worker: the rest is that of replicas that leave it to each other."""


class WorkerMetrics:
    """Observes the hand-out of tasks. `template` is the name of the McpTaskTemplate."""

    def __init__(self, instruments: Instruments) -> None:
        self._templates = LabelBudget()
        self._handed_out = instruments.counter(
            "mcptasks_worker_tasks_total",
            "Tasks that were handed to workers. `worker`: ready (one was there at once), awaited (the task had to wait "
            "for one).",
            ["template", "worker"],
        )
        self._wait = instruments.histogram(
            "mcptasks_worker_wait_seconds",
            "How long a task waited for a worker until one got it.",
            WAIT_BUCKETS,
            ["template"],
        )
        self._load = instruments.histogram(
            "mcptasks_worker_load_seconds",
            "How long a worker took to load its module, by its own word.",
            LOAD_BUCKETS,
            ["template"],
        )
        self._process = instruments.histogram(
            "mcptasks_worker_process_seconds",
            "How long a worker took to have a process for a task: a fork, or an interpreter where the module cannot be "
            "copied and none was ready.",
            PROCESS_BUCKETS,
            ["template"],
        )

    def handed_out(self, template: str, waited: float) -> None:
        """A worker got a task that had waited for `waited` seconds."""
        label = self._templates.of(template)
        self._handed_out.labels(label, "ready" if waited < AT_ONCE_SECONDS else "awaited").inc()
        self._wait.labels(label).observe(waited)

    def loaded(self, template: str, seconds: float) -> None:
        """A worker is there that took so long to load its module."""
        self._load.labels(self._templates.of(template)).observe(seconds)

    def process_made(self, template: str, seconds: float) -> None:
        """A worker took so long to have a process for a task."""
        self._process.labels(self._templates.of(template)).observe(seconds)
