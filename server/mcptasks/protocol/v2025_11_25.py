"""Tasks in protocol version 2025-11-25 (SEP-1686): the client asks for one, with `params.task`.

https://modelcontextprotocol.io/specification/2025-11-25/basic/utilities/tasks
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from mcp.server.context import CallNext, HandlerResult
from mcp.server.streamable_http import REQUEST_CANCELLED
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    ClientCapabilities,
    RequestParams,
    TaskStatusNotification,
    ToolExecution,
)
from mcp_types import methods as mcp_methods
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from pydantic import BaseModel, ConfigDict, Field

from mcptasks.model.base import JsonObject
from mcptasks.model.task import ComponentKind, Request
from mcptasks.model.task_config import PlainCall
from mcptasks.protocol.catalogue import ArgumentsError, Catalogue, Target
from mcptasks.protocol.component_methods import KIND_OF_METHOD, NOUN_OF_KIND, requested
from mcptasks.protocol.inline_calls import run_until_closing
from mcptasks.protocol.mcp_errors import as_mcp_error, label, not_offered, only_as_task
from mcptasks.protocol.progress_notifications import send_progress
from mcptasks.protocol.request_target import target_of
from mcptasks.protocol.requests import Context, TaskIdParams, principal_of_caller, request_of
from mcptasks.protocol.synchronous_calls import SynchronousCalls
from mcptasks.protocol.task_answers import give_answers
from mcptasks.protocol.task_calls import plain_call, task_call
from mcptasks.protocol.task_json import progress_meta, shaped_result, task_failure, task_fields
from mcptasks.protocol.task_methods import TaskMethod
from mcptasks.protocol.token_lapse import while_token_is_valid
from mcptasks.protocol.v2025_11_25_cancellation import CancelledParams, RunningCalls, call_id_of, cancellable_id
from mcptasks.protocol.v2025_11_25_http import ANSWER, CANCELLED, exchange_of
from mcptasks.protocol.v2025_11_25_questions import answer_in, asked_with, can_be_asked, related_task, request_message
from mcptasks.protocol.v2025_11_25_sessions import HEADER as SESSION_HEADER
from mcptasks.protocol.v2025_11_25_sessions import declared_by
from mcptasks.tasks.calls import Call
from mcptasks.tasks.service_errors import TaskNotFoundError
from mcptasks.tasks.views import TaskView

if TYPE_CHECKING:
    from mcptasks.tasks.service import TaskService

logger = logging.getLogger(__name__)

VERSION = "2025-11-25"

IMMEDIATE_RESPONSE_KEY = "io.modelcontextprotocol/model-immediate-response"
"""`_meta` of CreateTaskResult: what a host may tell the model as the call's immediate answer."""


class ListParams(RequestParams):
    """Params of tasks/list."""

    cursor: str | None = Field(None, max_length=4096)


class AnswerParams(BaseModel):
    """A client's JSON-RPC response to a request of the server's; `result` or `error` are extra."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(max_length=1024)


def tool_execution(plain: PlainCall) -> ToolExecution:
    """What a listed tool says of tasks, by how calls without `params.task` are served."""
    return ToolExecution(task_support="required" if plain == "refuse" else "optional")


def render(view: TaskView) -> JsonObject:
    """The task as this version's `Task` object."""
    return task_fields(view, view.phase) | {"ttl": view.ttl_ms, "pollInterval": view.poll_interval_ms}


@dataclass(frozen=True)
class Protocol2025:
    """Serves this version's requests about tasks."""

    service: TaskService
    catalogue: Catalogue
    running: RunningCalls = field(default_factory=RunningCalls)
    """The requests that this replica is answering."""

    @property
    def offers_list(self) -> bool:
        """tasks/list is offered only where callers can be told apart, or are all one user (spec: SHOULD)."""
        return self.catalogue.authenticates or self.service.settings.single_user

    def capabilities(self) -> JsonObject:
        """`ServerCapabilities.tasks`.

        The version knows `tools/call` only. FastMCP 2 and 3 have made the other two common; they are announced only
        where a component can be run that way.
        """
        requests: JsonObject = {"tools": {"call": {}}}
        if self._offers(ComponentKind.PROMPT):
            requests["prompts"] = {"get": {}}
        if self._offers(ComponentKind.RESOURCE):
            requests["resources"] = {"read": {}}
        offered: JsonObject = {"cancel": {}, "requests": requests}
        return {"list": {}, **offered} if self.offers_list else offered

    def _offers(self, kind: ComponentKind) -> bool:
        kinds = {kind, ComponentKind.RESOURCE_TEMPLATE} if kind is ComponentKind.RESOURCE else {kind}
        return kind is ComponentKind.TOOL or any(self.catalogue.has_tasks(each) for each in kinds)

    async def get(self, _ctx: Context, params: TaskIdParams) -> HandlerResult:
        """tasks/get: the task."""
        view = await self.service.poll(params.task_id, principal_of_caller())
        return render(view) | progress_meta(view)

    async def cancel(self, _ctx: Context, params: TaskIdParams) -> HandlerResult:
        """tasks/cancel: the task, cancelled before the answer; an ended one is an error (MUST)."""
        return render(await self.service.cancel(params.task_id, principal_of_caller()))

    async def list(self, _ctx: Context, params: ListParams) -> HandlerResult:
        """tasks/list: the caller's tasks, a page at a time."""
        if not self.offers_list:
            raise not_offered("tasks/list")
        page = self.service.list(principal_of_caller(), params.cursor)
        result: JsonObject = {"tasks": [render(view) for view in page.tasks]}
        return result if page.next_cursor is None else result | {"nextCursor": page.next_cursor}

    async def result(self, ctx: Context, params: TaskIdParams) -> HandlerResult:
        """tasks/result: waits for the end, asking what the task asks; then answers as the call itself would have."""
        with self.service.waiting(principal_of_caller()):
            view = await while_token_is_valid(ctx, self._ended(ctx, params))
        return await self._outcome(ctx, view)

    async def _ended(self, ctx: Context, params: TaskIdParams) -> TaskView:
        first = True
        asked: set[str] = set()
        async for view in self.service.follow(params.task_id, principal_of_caller()):
            if view.phase.terminal:
                return view
            if not first:
                await self._notify(ctx, view)
            await self._ask(ctx, view, asked)
            first = False
        raise AssertionError("follow ends only with a terminal task")

    async def _outcome(self, ctx: Context, view: TaskView) -> JsonObject:
        if view.result is None:
            raise task_failure(view)
        result = await shaped_result(self.service, view, VERSION, ctx)
        result["_meta"] = {**result.get("_meta", {}), **related_task(view.task_id)}
        return result

    async def _notify(self, ctx: Context, view: TaskView) -> None:
        """Tell the waiting caller of a change, on the stream of its own request."""
        status = TaskStatusNotification.model_validate({"params": render(view) | progress_meta(view)})
        await ctx.session.send_notification(status, related_request_id=ctx.request_id)  # type: ignore[arg-type]
        await send_progress(ctx, view, related_task(view.task_id))

    async def _ask(self, ctx: Context, view: TaskView, asked: set[str]) -> None:
        """Put the task's questions on the stream, each once. Only what the client has declared is asked (MUST)."""
        exchange = exchange_of(ctx)
        declared = _declared(ctx)
        if exchange is None or declared is None:
            return
        capabilities = ClientCapabilities.model_validate(declared)
        for request in view.input_requests:
            if request.key not in asked and can_be_asked(capabilities, request, VERSION):
                asked.add(request.key)
                await exchange.write(request_message(view.task_id, request))

    async def cancelled(self, ctx: Context, params: CancelledParams) -> HandlerResult:
        """notifications/cancelled: ends the request, and the task that it waits for, whichever replica has it."""
        exchange = exchange_of(ctx)
        if exchange is None or exchange.request_of_ours != CANCELLED:
            raise not_offered(CANCELLED)
        call_id = call_id_of(ctx, params.request_id)
        if call_id is None:
            return {}
        is_here = self.running.cancel(call_id)
        await self.service.cancel_call(call_id, principal_of_caller(), is_known=is_here)
        return {}

    async def answer(self, ctx: Context, params: AnswerParams) -> HandlerResult:
        """The client's response to such a request. What answers nothing, or nothing any more, is dropped."""
        exchange = exchange_of(ctx)
        asked = asked_with(params.id)
        if exchange is None or exchange.request_of_ours != ANSWER or asked is None:
            raise not_offered(ANSWER)
        response = {asked.key: params.model_extra or {}}
        try:
            await give_answers(self.service, asked.task_id, response, answer_in)
        except TaskNotFoundError:
            logger.info("a response to a question of an unknown task was dropped", extra={"task": asked.task_id})
        return {}

    async def middleware(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Announce tasks at `initialize`, and answer requests that become tasks; pass all others on."""
        call_id = cancellable_id(ctx)
        if call_id is None:
            return await self._serve(ctx, call_next)
        with self.running.answering(call_id):
            return await self._serve(ctx, call_next)
        raise MCPError(code=REQUEST_CANCELLED, message="Request cancelled")

    async def _serve(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        if ctx.method == "initialize":
            return self._announce(await call_next(ctx))
        kind = KIND_OF_METHOD.get(ctx.method)
        if kind is None or ctx.request_id is None or not self._offers(kind):
            # What is not offered is served as if the client had not asked for it (spec: MUST).
            return await call_next(ctx)
        try:
            answer = await self._answer_if_task(kind, ctx)
        except Exception as error:
            raise as_mcp_error(error) from error
        return await run_until_closing(self.service.closing, call_next, ctx) if answer is None else answer

    def _announce(self, result: HandlerResult) -> HandlerResult:
        if isinstance(result, dict) and result.get("protocolVersion") == VERSION:
            result["capabilities"]["tasks"] = self.capabilities()
        return result

    async def _answer_if_task(self, kind: ComponentKind, ctx: Context) -> JsonObject | None:
        """The answer to a request for a component; None where the component is to run inline."""
        params = dict(ctx.params or {})
        name = requested(ctx.method, params)
        target = target_of(name, ctx, self.catalogue)
        task = params.get("task") if ctx.protocol_version == VERSION else None
        if target is None:
            if task is not None:
                raise _unknown(kind, None if name is None else name[1])
            return None
        if task is None:
            return await self._plain(target, ctx)
        if not target.config.runs_as_task:
            raise MCPError(
                code=METHOD_NOT_FOUND,
                message=f"{label(target)} does not run as a task: send the request without params.task",
            )
        ttl_ms = _asked_ttl(task)
        mcp_methods.validate_client_request(ctx.method, ctx.protocol_version, params)
        created: JsonObject = {"task": render(await self.service.create(self._call(target, ttl_ms, ctx)))}
        if target.config.immediate_response is not None:
            created["_meta"] = {IMMEDIATE_RESPONSE_KEY: target.config.immediate_response}
        return created

    async def _plain(self, target: Target, ctx: Context) -> JsonObject | None:
        """The answer to a request without `params.task`; None where it is to run inline."""
        how = plain_call(target, self.service)
        if how == "inline":
            return None
        if how == "refuse":
            raise only_as_task(target)
        mcp_methods.validate_client_request(ctx.method, ctx.protocol_version, ctx.params)
        try:
            call = self._call(target, None, ctx)
        except ArgumentsError:
            # The component refuses them itself, before its body runs.
            return None
        if how == "wait":
            call = replace(call, call_id=call_id_of(ctx, ctx.request_id))
        given_up = partial(self.running.is_cancelled, call.call_id)
        return await SynchronousCalls(self.service, given_up=given_up).answer_plain(ctx, call, how)

    def _call(self, target: Target, ttl_ms: int | None, ctx: Context) -> Call:
        """The call that the request makes. Raises ArgumentsError, InvalidCallError."""
        arguments = (ctx.params or {}).get("arguments") or {} if ctx.method in _WITH_ARGUMENTS else {}
        target.check_arguments(arguments)
        return task_call(
            target, arguments, ctx, request=self._request(ctx), settings=self.service.settings, ttl_ms=ttl_ms
        )

    def _request(self, ctx: Context) -> Request:
        """What the component may know of the request. The client's capabilities are those of its handshake."""
        request = request_of(ctx, self.service.settings.forward_headers)
        return request.model_copy(update={"client_capabilities": _declared(ctx)})


METHODS: Mapping[str, TaskMethod[Protocol2025]] = {
    "tasks/get": TaskMethod(TaskIdParams, Protocol2025.get, frozenset({VERSION})),
    "tasks/cancel": TaskMethod(TaskIdParams, Protocol2025.cancel, frozenset({VERSION})),
    "tasks/result": TaskMethod(TaskIdParams, Protocol2025.result, frozenset({VERSION})),
    "tasks/list": TaskMethod(ListParams, Protocol2025.list, frozenset({VERSION})),
    # Some clients leave the version out where they answer, which makes it an older one.
    ANSWER: TaskMethod(AnswerParams, Protocol2025.answer, frozenset(HANDSHAKE_PROTOCOL_VERSIONS)),
    CANCELLED: TaskMethod(CancelledParams, Protocol2025.cancelled, frozenset(HANDSHAKE_PROTOCOL_VERSIONS)),
}

_WITH_ARGUMENTS = frozenset({"tools/call", "prompts/get"})


def _declared(ctx: Context) -> JsonObject | None:
    return declared_by(ctx.request.headers.get(SESSION_HEADER)) if ctx.request is not None else None


def _unknown(kind: ComponentKind, name: object) -> MCPError:
    data = {"uri": name} if kind is ComponentKind.RESOURCE else None
    return MCPError(code=INVALID_PARAMS, message=f"Unknown {NOUN_OF_KIND[kind].lower()}: {name}", data=data)


def _asked_ttl(task: object) -> int | None:
    """`params.task.ttl` in milliseconds, checked strictly: "60000" and 1.5 are not integers."""
    ttl = task.get("ttl") if isinstance(task, dict) else None
    if ttl is None:
        return None
    if isinstance(ttl, bool) or not isinstance(ttl, int):
        raise MCPError(
            code=INVALID_PARAMS, message=f"Invalid ttl {ttl!r}: use milliseconds as an integer, for example 60000"
        )
    return ttl
