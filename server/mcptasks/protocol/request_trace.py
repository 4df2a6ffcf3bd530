"""The trace of a request whose client has put it into the HTTP headers instead of `_meta` (SEP-414)."""

from __future__ import annotations

from collections.abc import Mapping

from mcp.server.context import CallNext, HandlerResult

from mcptasks.protocol.requests import Context
from mcptasks.tracing.trace_contexts import current_context, of_headers, span_context


async def within_http_trace(ctx: Context, call_next: CallNext) -> HandlerResult:
    """For `MCPServer.middleware`, before the SDK's own tracing, which looks at `_meta`, and then at what is current."""
    meta: Mapping[str, object] = ctx.meta or {}
    carried = meta.get("traceparent")
    if ctx.request is None or (isinstance(carried, str) and span_context(carried) is not None):
        return await call_next(ctx)
    context = of_headers(ctx.request.headers)
    if context is None:
        return await call_next(ctx)
    with current_context(context):
        return await call_next(ctx)
