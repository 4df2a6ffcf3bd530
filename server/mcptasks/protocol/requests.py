"""What a request of any protocol version says: its task, its caller, and what a component may know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import principal_components
from mcp.server.context import ServerRequestContext
from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, RequestParams
from pydantic import Field, ValidationError
from pydantic_core import to_jsonable_python

from mcptasks.model.base import JsonObject
from mcptasks.model.task import Principal, Request, TraceContext
from mcptasks.protocol.versions import IDEMPOTENCY_META, MAX_RESULT_META, RESERVED_PREFIX
from mcptasks.tasks.service_errors import InvalidCallError
from mcptasks.tracing.trace_contexts import current_trace

Context: TypeAlias = ServerRequestContext[Any, Any]
T = TypeVar("T")


class TaskIdParams(RequestParams):
    """Params of a request about one task."""

    task_id: str = Field(alias="taskId", max_length=1024)


def principal_of_caller(claims: Sequence[str] = ()) -> Principal | None:
    """Who makes the current request: client, issuer and subject of its access token; None without a token.

    Of its other claims, only those of the given names are kept.
    """
    token = get_access_token()
    if token is None:
        return None
    client_id, issuer, subject = principal_components(token)
    return Principal(
        client_id=client_id,
        issuer=issuer,
        subject=subject,
        scopes=token.scopes or None,
        claims=to_jsonable_python(_chosen(token.claims or {}, claims), fallback=str) or None,
    )


def _chosen(found: Mapping[str, T], names: Sequence[str]) -> dict[str, T]:
    return {name: found[name] for name in names if name in found}


def headers_of(ctx: Context, forwarded: Sequence[str]) -> dict[str, str]:
    """The headers of the HTTP request that components may know."""
    return _chosen(ctx.request.headers if ctx.request is not None else {}, forwarded)


def request_of(ctx: Context, forwarded: Sequence[str] = ()) -> Request:
    """What a component may know of the request besides its arguments, with the headers of the given names."""
    meta = _meta(ctx)
    own = {key: value for key, value in meta.items() if not key.startswith(RESERVED_PREFIX)}
    return Request(
        protocol_version=ctx.protocol_version,
        meta=own or None,
        client_info=_object(meta.get(CLIENT_INFO_META_KEY)),
        client_capabilities=_object(meta.get(CLIENT_CAPABILITIES_META_KEY)),
        headers=headers_of(ctx, forwarded) or None,
    )


def trace_context_of(ctx: Context) -> TraceContext | None:
    """W3C Trace Context of the request (SEP-414): of its span, or as it carries it, if that looks valid."""
    meta = _meta(ctx)
    found = {key: meta[key] for key in ("traceparent", "tracestate", "baggage") if isinstance(meta.get(key), str)}
    try:
        # The span of the request itself, where this process has one: what the task does hangs below it.
        return current_trace(found.get("baggage")) or (TraceContext(**found) if "traceparent" in found else None)
    except ValidationError:
        return None


def idempotency_key_of(ctx: Context) -> str | None:
    """The request's idempotency key. Raises InvalidCallError for one that is not text."""
    key = _meta(ctx).get(IDEMPOTENCY_META)
    if key is None or isinstance(key, str):
        return key
    raise InvalidCallError(f"Invalid idempotency key: use text in _meta[{IDEMPOTENCY_META!r}], for example a UUID")


def max_result_bytes_of(ctx: Context) -> int | None:
    """The largest result of a tool, in bytes, that the answer is to carry; None for any. Raises InvalidCallError."""
    most = _meta(ctx).get(MAX_RESULT_META)
    if most is None or (isinstance(most, int) and not isinstance(most, bool) and most >= 0):
        return most
    raise InvalidCallError(f"Invalid number of bytes: use an integer in _meta[{MAX_RESULT_META!r}], for example 65536")


def _meta(ctx: Context) -> dict[str, Any]:
    meta = (ctx.params or {}).get("_meta")
    return dict(meta) if isinstance(meta, dict) else {}


def _object(value: object) -> JsonObject | None:
    return value if isinstance(value, dict) else None
