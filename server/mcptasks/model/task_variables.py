"""Environment variables that tell a task's process, and the programs that it starts, which task it is. Pure."""

from __future__ import annotations

import re

from mcptasks.model.task import TraceContext

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""https://www.w3.org/TR/trace-context/#traceparent-header"""


def task_variables(task_id: str, trace: TraceContext | None) -> dict[str, str]:
    """The task's name, and the span that it belongs to where its call came with one."""
    parent = trace.traceparent if trace is not None else None
    traced = {"TRACEPARENT": parent} if parent and _TRACEPARENT.fullmatch(parent) else {}
    return {"MCPTASKS_TASK_ID": task_id, **traced}
