"""What both protocol versions share: params of tasks/*, who called, what the request carried, errors."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import principal_components
from mcp.server.context import HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, RequestParams
from mcp_types import methods as mcp_methods
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_jsonable_python

from mcptasks.model.lifecycle import timestamp
from mcptasks.model.questions import Answer
from mcptasks.model.task import InputRequest, JsonObject, Phase, Principal, Request, TraceContext
from mcptasks.protocol.catalogue import METHODS, ArgumentsError
from mcptasks.protocol.versions import IDEMPOTENCY_META, PROGRESS_META
from mcptasks.tasks.service_errors import (
    DrainingError,
    InterruptedCallError,
    InvalidCallError,
    ServiceError,
    TaskEndedError,
    TaskNotFoundError,
    TaskRefusedError,
    TooManyPollsError,
    TooManySubscriptionsError,
    TooManyTasksError,
    UnavailableServiceError,
)
from mcptasks.tasks.views import TaskView

if TYPE_CHECKING:
    from mcptasks.tasks.service import TaskService

logger = logging.getLogger(__name__)

Context = ServerRequestContext[Any, Any]
T = TypeVar("T")
Handler = Callable[[Context, Any], Awaitable[HandlerResult]]

PROTOCOL_PREFIX = "io.modelcontextprotocol/"
CLIENT_INFO_KEY = f"{PROTOCOL_PREFIX}clientInfo"
CLIENT_CAPABILITIES_KEY = f"{PROTOCOL_PREFIX}clientCapabilities"

_CODES: dict[type[Exception], int] = {
    TaskNotFoundError: INVALID_PARAMS,
    TaskEndedError: INVALID_PARAMS,
    InvalidCallError: INVALID_PARAMS,
    ArgumentsError: INVALID_PARAMS,
    TooManyTasksError: INTERNAL_ERROR,
    TooManyPollsError: INTERNAL_ERROR,
    TooManySubscriptionsError: INTERNAL_ERROR,
    TaskRefusedError: INTERNAL_ERROR,
    UnavailableServiceError: INTERNAL_ERROR,
    DrainingError: INTERNAL_ERROR,
    InterruptedCallError: INTERNAL_ERROR,
}


class TaskIdParams(RequestParams):
    """Params of tasks/get, tasks/result and tasks/cancel."""

    task_id: str = Field(alias="taskId", max_length=1024)


class ListParams(RequestParams):
    """Params of tasks/list."""

    cursor: str | None = Field(None, max_length=4096)


class AnswerParams(BaseModel):
    """A client's JSON-RPC response to a request of the server's; `result` or `error` are extra."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(max_length=1024)


class UpdateParams(TaskIdParams):
    """Params of tasks/update."""

    input_responses: dict[str, dict[str, Any]] = Field(alias="inputResponses")


def mapped(handler: Handler) -> Handler:
    """The handler with every failure as a JSON-RPC error whose text may be shown to a caller."""

    async def handle(ctx: Context, params: Any) -> HandlerResult:
        try:
            return await handler(ctx, params)
        except Exception as error:
            raise as_mcp_error(error) from error

    return handle


def as_mcp_error(error: Exception) -> Exception:
    """The error for the wire. Unexpected ones are logged and reach the caller without their text."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, MCPError | ValidationError):
        return error
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return MCPError(code=code, message=str(error), data=getattr(error, "data", None))
    if isinstance(error, ServiceError):
        return MCPError(code=INTERNAL_ERROR, message=str(error), data=error.data)
    logger.error("request failed unexpectedly", exc_info=error)
    return MCPError(code=INTERNAL_ERROR, message="Internal server error")


def task_fields(view: TaskView, status: Phase) -> JsonObject:
    """The fields of a task that all protocol versions spell alike."""
    task: JsonObject = {
        "taskId": view.task_id,
        "status": status.value,
        "createdAt": timestamp(view.created_at),
        "lastUpdatedAt": timestamp(view.last_updated_at),
    }
    if view.message:
        task["statusMessage"] = view.message
    return task


def progress_meta(view: TaskView) -> JsonObject:
    """`_meta` of a task with its progress in numbers, for clients that know the key; nothing where there are none."""
    if view.progress is None:
        return {}
    progress: JsonObject = {"current": view.progress}
    if view.progress_total is not None:
        progress["total"] = view.progress_total
    return {"_meta": {PROGRESS_META: progress}}


def not_offered(method: str) -> MCPError:
    """The error for a method that this server does not offer."""
    return MCPError(code=METHOD_NOT_FOUND, message="Method not found", data=method)


def principal_of_caller(claims: Sequence[str] = ()) -> Principal | None:
    """Who makes the current request: client, issuer and subject of its access token; None without a token.

    Of its other claims only those of the given names are there.
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
    """Those of the HTTP request's headers that components may know."""
    return _chosen(ctx.request.headers if ctx.request is not None else {}, forwarded)


def request_of(ctx: Context, forwarded: Sequence[str] = ()) -> Request:
    """What a component may know of the request besides its arguments, with the headers of the given names."""
    meta = _meta(ctx)
    own = {key: value for key, value in meta.items() if not key.startswith(PROTOCOL_PREFIX)}
    return Request(
        protocol_version=ctx.protocol_version,
        meta=own or None,
        client_info=_object(meta.get(CLIENT_INFO_KEY)),
        client_capabilities=_object(meta.get(CLIENT_CAPABILITIES_KEY)),
        headers=headers_of(ctx, forwarded) or None,
    )


def trace_context_of(ctx: Context) -> TraceContext | None:
    """W3C Trace Context of the request (SEP-414), if it carries a valid-looking one."""
    meta = _meta(ctx)
    found = {key: meta[key] for key in ("traceparent", "tracestate", "baggage") if isinstance(meta.get(key), str)}
    try:
        return TraceContext(**found) if "traceparent" in found else None
    except ValidationError:
        return None


def idempotency_key_of(ctx: Context) -> str | None:
    """The request's idempotency key. Raises InvalidCallError for one that is no text."""
    key = _meta(ctx).get(IDEMPOTENCY_META)
    if key is None or isinstance(key, str):
        return key
    raise InvalidCallError(f"Invalid idempotency key: use text in _meta[{IDEMPOTENCY_META!r}], for example a UUID")


def _meta(ctx: Context) -> dict[str, Any]:
    meta = (ctx.params or {}).get("_meta")
    return dict(meta) if isinstance(meta, dict) else {}


def _object(value: object) -> JsonObject | None:
    return value if isinstance(value, dict) else None


async def give_answers(
    service: TaskService, task_id: str, responses: Mapping[str, T], read: Callable[[InputRequest, T], Answer]
) -> None:
    """Give the caller's task those of the responses, by key, that answer what it asks now; the others are dropped.

    Args:
        read: the answer in a response to the request; may raise MCPError where it is none.

    Raises TaskNotFoundError, UnavailableServiceError.
    """

    def answers(asked: Sequence[InputRequest]) -> dict[str, Answer]:
        return {request.key: read(request, responses[request.key]) for request in asked if request.key in responses}

    await service.answer(task_id, principal_of_caller(), answers)


INVALID_RESULT = "Handler returned an invalid result"
"""What the SDK says of an inline call whose result the protocol version cannot carry."""


async def shaped_result(service: TaskService, view: TaskView, version: str) -> JsonObject:
    """The task's result, in the shape that the given protocol version has for it."""
    stored = {"resultType": "complete", **json.loads(await service.result_text(view))}
    try:
        return mcp_methods.serialize_server_result(METHODS[view.component.kind], version, stored)
    except ValidationError as error:
        logger.error("the recorded result is no result of this kind", exc_info=error, extra={"task": view.task_id})
        raise MCPError(code=INTERNAL_ERROR, message=INVALID_RESULT) from None


def task_failure(view: TaskView) -> MCPError:
    """The JSON-RPC error of a task that ended without a result: its own one, or one that tells the reason."""
    if view.error is not None:
        data = None if view.error.data_text is None else json.loads(view.error.data_text)
        return MCPError(code=view.error.code, message=view.error.message, data=data)
    message = view.message or f"Task {view.phase.value}"
    return MCPError(code=INTERNAL_ERROR, message=message, data={"reason": view.reason} if view.reason else None)
