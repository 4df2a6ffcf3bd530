"""Tasks as protocol version 2026-07-28 has them (SEP-2663): an extension, and the server decides.

https://github.com/modelcontextprotocol/ext-tasks, specification/2026-07-28/tasks.md
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mcp.server.context import CallNext, HandlerResult
from mcp.server.mcpserver.server import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import decode_header_value
from mcp_types import HEADER_MISMATCH, CallToolRequestParams, ClientCapabilities

from mcptasks.model.questions import Answer
from mcptasks.model.task import ComponentKind, InputRequest, JsonObject, Phase
from mcptasks.model.task_config import PlainCall
from mcptasks.protocol.catalogue import ArgumentsError, Catalogue, Target, requested
from mcptasks.protocol.input_requests import answer_text, missing_capability, params_of
from mcptasks.protocol.request_target import target_of
from mcptasks.protocol.requests import (
    Context,
    TaskIdParams,
    UpdateParams,
    as_mcp_error,
    give_answers,
    idempotency_key_of,
    principal_of_caller,
    progress_meta,
    request_of,
    shaped_result,
    task_failure,
    task_fields,
    trace_context_of,
)
from mcptasks.protocol.waits import WaitingCalls
from mcptasks.tasks.calls import Call
from mcptasks.tasks.service_errors import TaskEndedError
from mcptasks.tasks.views import TaskView

if TYPE_CHECKING:
    from mcptasks.tasks.service import TaskService

VERSION = "2026-07-28"
EXTENSION = "io.modelcontextprotocol/tasks"

How: TypeAlias = PlainCall | Literal["task"]
"""How a call is served: as a task, or as one whose client knows no tasks."""


def render(view: TaskView) -> JsonObject:
    """The task as this version's flat `Task` object. A tool's own error is a completed task here."""
    status = Phase.COMPLETED if view.is_tool_error else view.phase
    return task_fields(view, status) | {"ttlMs": view.ttl_ms, "pollIntervalMs": view.poll_interval_ms}


@dataclass(frozen=True)
class Protocol2026:
    """Serves this version's requests about tasks."""

    service: TaskService
    catalogue: Catalogue

    async def get(self, ctx: Context, params: TaskIdParams) -> HandlerResult:
        """tasks/get: the task with its result, error or outstanding input requests inlined."""
        self._check(ctx, params)
        view = await self.service.poll(params.task_id, principal_of_caller())
        return {"resultType": "complete", **await self.detail(view, ctx)}

    async def detail(self, view: TaskView, ctx: Context) -> JsonObject:
        """`DetailedTask`: the task and what its status brings along.

        Only what the request's client has declared to be able to answer is asked (MUST).
        """
        declared = ctx.session.client_capabilities
        task = render(view) | progress_meta(view)
        if view.result is not None:
            task["result"] = {"resultType": "complete", **await shaped_result(self.service, view, VERSION)}
        elif view.phase is Phase.FAILED:
            failure = task_failure(view)
            task["error"] = failure.error.model_dump(by_alias=True, mode="json", exclude_none=True)
        elif view.phase is Phase.INPUT_REQUIRED:
            task["inputRequests"] = _inputs(view.input_requests, declared)
        return task

    async def cancel(self, ctx: Context, params: TaskIdParams) -> HandlerResult:
        """tasks/cancel: an empty acknowledgement, also for a task that has ended."""
        self._check(ctx, params)
        with suppress(TaskEndedError):
            await self.service.cancel(params.task_id, principal_of_caller())
        return {"resultType": "complete"}

    async def update(self, ctx: Context, params: UpdateParams) -> HandlerResult:
        """tasks/update: an empty acknowledgement; answers to questions that nobody asked are ignored (SHOULD)."""
        self._check(ctx, params)
        await give_answers(self.service, params.task_id, params.input_responses, _answer)
        return {"resultType": "complete"}

    def runs_inline(self, ctx: Context) -> bool:
        """Whether the request runs a component in this process, so that no other replica can go on with it."""
        name = requested(ctx.method, ctx.params)
        return name is not None and self._how(target_of(name, ctx, self.catalogue), ctx) == "inline"

    def _how(self, target: Target | None, ctx: Context) -> How:
        """How the request is served. This version has no tasks but those of tools."""
        if target is None or target.component.kind is not ComponentKind.TOOL or not target.config.runs_as_task:
            return "inline"
        if _declares_extension(ctx):
            return "task"
        return target.config.plain_call(task_tools=self.service.settings.task_tools)

    async def call_tool(self, params: CallToolRequestParams, ctx: Context, call_next: CallNext) -> HandlerResult:
        """tools/call: a task where the tool allows it and the request declares the extension."""
        waiting = WaitingCalls(self.service)
        target = target_of((ComponentKind.TOOL, params.name), ctx, self.catalogue)
        how = self._how(target, ctx)
        if target is None or how == "inline":
            return await call_next(ctx)
        if how == "refuse":
            require_client_extension(ctx, EXTENSION)
        arguments = params.arguments or {}
        try:
            target.check_arguments(arguments)
        except ArgumentsError:
            # The tool refuses them itself, before its body runs, with the very result that an inline call has.
            return await call_next(ctx)
        # What it takes to start is asked for before there is a task (SHOULD).
        first = await target.ask_first(params, ctx)
        if first is not None:
            return first
        try:
            call = self._call(target, arguments, ctx)
            if how != "task":
                return {"resultType": "complete", **await waiting.plain(ctx, call, how)}
            answer = await waiting.within(ctx, call)
        except Exception as error:
            raise as_mcp_error(error) from error
        if isinstance(answer, TaskView):
            return {"resultType": "task", **render(answer)}
        return {"resultType": "complete", **answer}

    def _call(self, target: Target, arguments: JsonObject, ctx: Context) -> Call:
        params = ctx.params or {}
        rounds = {"input_responses": params.get("inputResponses"), "request_state": params.get("requestState")}
        request = request_of(ctx, self.service.settings.forward_headers).model_copy(update=rounds)
        return Call(
            component=target.component,
            arguments=arguments,
            config=target.config,
            principal=principal_of_caller(self.service.settings.forward_claims),
            request=request,
            trace_context=trace_context_of(ctx),
            idempotency_key=idempotency_key_of(ctx),
            idempotent_hint=target.is_idempotent,
            can_ask=target.can_ask,
        )

    def _check(self, ctx: Context, params: TaskIdParams) -> None:
        """Capability first, then the routing header: a wrong one is refused, a missing one tolerated."""
        require_client_extension(ctx, EXTENSION)
        header = ctx.request.headers.get("mcp-name") if ctx.request is not None else None
        if header is not None and decode_header_value(header) != params.task_id:
            raise MCPError(
                code=HEADER_MISMATCH, message="Header mismatch: Mcp-Name does not name the task in params.taskId"
            )


def _answer(request: InputRequest, response: JsonObject) -> Answer:
    return Answer(answer_text(request, response))


def _declares_extension(ctx: Context) -> bool:
    capabilities = ctx.session.client_capabilities
    return bool(capabilities and capabilities.extensions and EXTENSION in capabilities.extensions)


def _inputs(requests: Iterable[InputRequest], declared: ClientCapabilities | None) -> dict[str, Any]:
    shown = ((request, params_of(request)) for request in requests)
    return {
        request.key: {"method": request.method, "params": params} if params else {"method": request.method}
        for request, params in shown
        if missing_capability(declared, request.method, params) is None
    }
