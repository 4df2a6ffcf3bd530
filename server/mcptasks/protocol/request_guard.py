"""The outermost middleware of all requests, in all protocol versions: it keeps from handlers what would break them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pydantic_core
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from mcptasks.protocol.requests import Context

TRACE_KEYS = ("traceparent", "tracestate", "baggage")


async def guard(ctx: Context, call_next: CallNext) -> HandlerResult:
    """For `MCPServer.middleware`, before all others.

    Half a character (a lone surrogate, which JSON can spell) cannot be encoded again, not even in an error. Trace
    context that is not text would break the SDK's tracing; it is dropped.
    """
    try:
        pydantic_core.to_json(ctx.params)
    except (ValueError, UnicodeError):
        raise MCPError(
            code=INVALID_PARAMS, message="Invalid params: they cannot be written as JSON text in UTF-8"
        ) from None
    meta: Mapping[str, object] = ctx.meta or {}
    if any(not isinstance(meta.get(key, ""), str) for key in TRACE_KEYS):
        kept = {key: value for key, value in meta.items() if key not in TRACE_KEYS or isinstance(value, str)}
        ctx = replace(ctx, meta=kept)  # type: ignore[arg-type]
    return await call_next(ctx)
