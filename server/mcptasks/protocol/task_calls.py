"""Calls that become tasks, as requests of any protocol version make them."""

from __future__ import annotations

from mcptasks.model.base import JsonObject
from mcptasks.model.task import ComponentKind, Request
from mcptasks.model.task_config import PlainCall
from mcptasks.protocol.catalogue import Target
from mcptasks.protocol.requests import Context, idempotency_key_of, principal_of_caller, trace_context_of
from mcptasks.settings import Settings
from mcptasks.tasks.calls import Call


def plain_call(target: Target, settings: Settings) -> PlainCall:
    """How a call is served whose client knows no tasks."""
    if not target.config.runs_as_task:
        return "inline"
    is_tool = target.component.kind is ComponentKind.TOOL
    return target.config.plain_call(task_tools=settings.task_tools and is_tool)


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
