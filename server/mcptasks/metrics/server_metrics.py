"""Metrics of the server: requests of callers, calls of runners, and the watch cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mcptasks.metrics.instruments import Instruments
from mcptasks.metrics.process_metrics import process_metrics
from mcptasks.metrics.task_metrics import TaskMetrics
from mcptasks.metrics.worker_metrics import WorkerMetrics

REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
CALL_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class ObservedCache(Protocol):
    """What the metrics read of the watch cache."""

    @property
    def unreachable_seconds(self) -> float: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class ServerState:
    """What is read at each scrape."""

    cache: ObservedCache
    draining: Callable[[], bool]
    tokens_are_unusable: Callable[[], bool] = lambda: False
    """Whether the static tokens cannot be used as they are."""


class ServerMetrics:
    """All metrics of one server process, in the registry of `instruments`."""

    def __init__(self, state: ServerState, instruments: Instruments | None = None) -> None:
        self.instruments = instruments or Instruments()
        make = self.instruments
        self._requests = make.counter(
            "mcptasks_requests_total",
            "MCP requests that were answered. `outcome`: ok, tool_error (the tool's own), refused (the caller's "
            "mistake), failed (ours or the cluster's), cancelled (the caller went away, or gave the request up).",
            ["method", "era", "outcome"],
        )
        self._request_seconds = make.histogram(
            "mcptasks_request_duration_seconds",
            "Time to answer an MCP request; one that waits for a task takes as long as that.",
            REQUEST_BUCKETS,
            ["method", "era"],
        )
        self.tasks = TaskMetrics(make)
        self.workers = WorkerMetrics(make)
        self._calls = make.counter(
            "mcptasks_gateway_requests_total", "Calls of runners at the gateway.", ["call", "code"]
        )
        self._call_seconds = make.histogram(
            "mcptasks_gateway_request_duration_seconds", "Time to answer a runner's call.", CALL_BUCKETS, ["call"]
        )
        make.gauge("mcptasks_cached_tasks", "Tasks in the server's watch cache.", lambda: len(state.cache))
        make.gauge(
            "mcptasks_cache_unreachable_seconds",
            "For how long the watch cache has failed to list or watch; 0 while it is up to date.",
            lambda: state.cache.unreachable_seconds,
        )
        make.gauge("mcptasks_draining", "1 while the server is stopping.", lambda: float(state.draining()))
        make.gauge(
            "mcptasks_auth_tokens_unusable",
            "1 while the file or folder of MCPTASKS_AUTH_TOKENS is empty, gone, mistyped or unreadable.",
            lambda: float(state.tokens_are_unusable()),
        )
        process_metrics(make, "server")

    def answered(self, method: str, era: str, outcome: str, seconds: float) -> None:
        """An MCP request was answered."""
        self._requests.labels(method, era, outcome).inc()
        self._request_seconds.labels(method, era).observe(seconds)

    def served(self, call: str, code: int, seconds: float) -> None:
        """A runner's call was answered."""
        self._calls.labels(call, str(code)).inc()
        self._call_seconds.labels(call).observe(seconds)
