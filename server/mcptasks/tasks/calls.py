"""A request to run a component as a task, without anything of its wire format."""

from __future__ import annotations

from dataclasses import dataclass, field

from mcptasks.model.base import JsonObject
from mcptasks.model.task import Component, Principal, Request, TraceContext
from mcptasks.model.task_config import TaskConfig


@dataclass(frozen=True)
class Call:
    """A request to run a component as a task."""

    component: Component
    arguments: JsonObject
    config: TaskConfig = field(default_factory=TaskConfig)
    ttl_ms: int | None = None
    principal: Principal | None = None
    request: Request | None = None
    trace_context: TraceContext | None = None
    idempotency_key: str | None = None
    idempotent_hint: bool = False
    can_ask: bool = False
    call_id: str | None = None
    """What names the request that waits for the task to every replica, where its client may give it up."""
