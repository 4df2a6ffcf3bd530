"""`mcptasks metrics`: the reference of all metrics, made from the metrics themselves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from mcptasks.metrics.instruments import MetricDescription
from mcptasks.metrics.server_metrics import ServerMetrics, ServerState
from mcptasks_operator.metrics import OperatorMetrics


class MetricsFormat(StrEnum):
    """How to print the reference."""

    TEXT = "text"
    MARKDOWN = "markdown"


@dataclass(frozen=True)
class MetricsReference:
    """Metrics by the process that has them."""

    both: tuple[MetricDescription, ...]
    server: tuple[MetricDescription, ...]
    operator: tuple[MetricDescription, ...]

    @property
    def sections(self) -> tuple[tuple[str, tuple[MetricDescription, ...]], ...]:
        return ("Server and operator", self.both), ("Server", self.server), ("Operator", self.operator)


def command(
    output: Annotated[MetricsFormat, typer.Option("--output", "-o", help="text or markdown.")] = MetricsFormat.TEXT,
) -> None:
    """Print all metrics that the server and the operator serve at MCPTASKS_METRICS_PORT.

    \b
    Example:
      mcptasks metrics -o markdown > metrics.md
    """
    typer.echo(_RENDERERS[output](reference()))


def reference() -> MetricsReference:
    """All metrics, in the order in which they are made."""
    server = ServerMetrics(ServerState(_Nothing(), draining=lambda: False)).instruments.described
    operator = OperatorMetrics().instruments.described
    both = tuple(one for one in server if one in operator)
    return MetricsReference(
        both,
        tuple(one for one in server if one not in both),
        tuple(one for one in operator if one not in both),
    )


class _Nothing:
    """A cache that is empty."""

    unreachable_seconds = 0.0

    def __len__(self) -> int:
        return 0


def _text(reference: MetricsReference) -> str:
    return "\n\n".join(
        f"{title}\n" + "\n".join(f"  {_with_labels(one)} ({one.kind})\n      {one.meaning}" for one in metrics)
        for title, metrics in reference.sections
    )


def _with_labels(metric: MetricDescription) -> str:
    return metric.name + (f"{{{', '.join(metric.labels)}}}" if metric.labels else "")


def _markdown(reference: MetricsReference) -> str:
    return "\n\n".join(
        f"### {title}\n\n| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n" + "\n".join(map(_row, metrics))
        for title, metrics in reference.sections
    )


def _row(metric: MetricDescription) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |"


_RENDERERS = {MetricsFormat.TEXT: _text, MetricsFormat.MARKDOWN: _markdown}
