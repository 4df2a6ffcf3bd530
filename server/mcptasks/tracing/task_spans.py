"""A part of a task's life as a span, told afterwards. A value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class TaskSpan:
    """A span with an id of its own choice.

    Args:
        trace: W3C traceparent of the call that made the task.
        parent_id: None: the call's own span.
        error: what went wrong; None where nothing did.
    """

    name: str
    trace: str
    span_id: int
    parent_id: int | None
    start: datetime
    end: datetime
    attributes: Mapping[str, str | int] = field(default_factory=dict)
    error: str | None = None
