"""Metrics that every process has: its version, CPU, memory, file descriptors, garbage collection."""

from __future__ import annotations

from typing import Any, cast

from prometheus_client import GC_COLLECTOR, Info, PlatformCollector, ProcessCollector

from mcptasks.distribution import installed_version
from mcptasks.metrics.instruments import Instruments, MetricDescription


def process_metrics(instruments: Instruments, component: str) -> None:
    """Add them to the registry of `instruments`."""
    registry = instruments.registry
    # This collector reads the interpreter's counters, so that one object may be in any number of registries.
    registry.register(cast(Any, GC_COLLECTOR))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    meaning = "Version of mcptasks."
    build = Info("mcptasks_build", meaning, registry=registry)
    build.info({"version": installed_version(), "component": component})
    instruments.described.append(MetricDescription("mcptasks_build_info", "gauge", ("version", "component"), meaning))
