"""The spans of one process: started by OpenTelemetry's variables, flushed before the process ends."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from mcptasks.tracing.exporter_choice import ExporterChoice, TracingConfigError, chosen_exporter
from mcptasks.tracing.task_spans import TaskSpan

logger = logging.getLogger(__name__)

SDK_MODULE = "mcptasks.tracing.sdk_tracing"
"""Imported by name: OpenTelemetry's SDK is not there everywhere, and costs 0.4 s."""


class Tracing(Protocol):
    """Where the spans of this process go."""

    @property
    def active(self) -> bool:
        """Whether they go anywhere."""
        ...

    def send(self, spans: Sequence[TaskSpan]) -> bool:
        """Send spans of tasks, and say whether the collector has taken them. Blocks for up to its time limit."""
        ...

    def flush(self, seconds: float) -> None:
        """Send what has not been sent, for so long at most. Blocks."""
        ...


class NoTracing:
    """Spans go nowhere."""

    active = False

    def send(self, spans: Sequence[TaskSpan]) -> bool:
        del spans
        return False

    def flush(self, seconds: float) -> None:
        del seconds


def preload_tracing(environ: Mapping[str, str] | None = None) -> None:
    """Import what `start_tracing` will need, without starting anything: for processes that are copied afterwards."""
    environ = os.environ if environ is None else environ
    try:
        if chosen_exporter(environ) is not ExporterChoice.NONE:
            importlib.import_module(SDK_MODULE)
    except (TracingConfigError, ImportError):
        return


def start_tracing(
    service: str, environ: Mapping[str, str] | None = None, *, polls: frozenset[str] = frozenset()
) -> Tracing:
    """Start sending this process's spans, if the variables say so. What is wrong with them is logged, and no more.

    Args:
        service: the process's `service.name`, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES has another.
        polls: MCP methods that make no spans.
    """
    environ = os.environ if environ is None else environ
    try:
        choice = chosen_exporter(environ)
        if choice is ExporterChoice.NONE:
            return NoTracing()
        module = importlib.import_module(SDK_MODULE)
        return cast("Tracing", module.SdkTracing.started(service, choice, environ, polls))
    except ValueError as error:
        # The SDK's own variables too: sizes of its queues, its limits.
        logger.error("no traces are sent: %s", error)
    except ImportError as error:
        logger.error(
            "no traces are sent: OTEL_ variables ask for them, and OpenTelemetry's SDK is not installed (%s): "
            "install mcptasks with the extra `otel`, or set OTEL_SDK_DISABLED=true",
            error,
        )
    return NoTracing()
