"""Calls that become tasks, as requests of any protocol version make them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcptasks.model.base import JsonObject
from mcptasks.model.task import ComponentKind, Request
from mcptasks.model.task_config import PlainCall
from mcptasks.protocol.catalogue import Target
from mcptasks.protocol.requests import (
    Context,
    idempotency_key_of,
    max_result_bytes_of,
    principal_of_caller,
    trace_context_of,
)
from mcptasks.settings import Settings
from mcptasks.tasks.calls import Call

if TYPE_CHECKING:
    from mcptasks.tasks.service import TaskService


def plain_call(target: Target, service: TaskService) -> PlainCall:
    """How a call is served whose client knows no tasks."""
    if not target.config.runs_as_task:
        return "inline"
    is_tool = target.component.kind is ComponentKind.TOOL
    config = target.config
    return config.plain_call(task_tools=service.settings.task_tools and is_tool, warm=service.is_warm(config.template))


def task_call(
    target: Target,
    arguments: JsonObject,
    ctx: Context,
    *,
    request: Request,
    settings: Settings,
    ttl_ms: int | None = None,
) -> Call:
    """The call of the component that the current request makes.

    Args:
        arguments: what `Target.check_arguments` has let through.
        request: what the component may know of the request.
        ttl_ms: what the caller asks for, in milliseconds.

    Raises InvalidCallError.
    """
    # What only the answer needs is refused now, and not when the tool has run.
    max_result_bytes_of(ctx)
    return Call(
        component=target.component,
        arguments=arguments,
        config=target.config,
        ttl_ms=ttl_ms,
        principal=principal_of_caller(settings.forward_claims),
        request=request,
        trace_context=trace_context_of(ctx),
        idempotency_key=idempotency_key_of(ctx),
        idempotent_hint=target.is_idempotent,
        can_ask=target.can_ask,
    )
