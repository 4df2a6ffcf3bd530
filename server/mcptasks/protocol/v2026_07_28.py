"""Tasks in protocol version 2026-07-28 (SEP-2663): an extension, in which the server decides what becomes one.

https://github.com/modelcontextprotocol/ext-tasks, specification/2026-07-28/tasks.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mcp.server.context import CallNext, HandlerResult
from mcp.server.mcpserver.server import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import decode_header_value
from mcp_types import HEADER_MISMATCH, CallToolRequestParams, ClientCapabilities, ReadResourceResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import Field

from mcptasks.model.base import JsonObject
from mcptasks.model.questions import Answer
from mcptasks.model.task import ComponentKind, InputRequest, Phase
from mcptasks.model.task_config import PlainCall
from mcptasks.protocol.catalogue import ArgumentsError, Catalogue, Target
from mcptasks.protocol.component_methods import METHOD_OF_KIND, requested
from mcptasks.protocol.inline_calls import run_until_closing
from mcptasks.protocol.input_requests import answer_text, missing_capability, params_of
from mcptasks.protocol.mcp_errors import as_mcp_error, only_as_task, only_with_extension
from mcptasks.protocol.request_target import target_of
from mcptasks.protocol.requests import Context, TaskIdParams, principal_of_caller, request_of
from mcptasks.protocol.synchronous_calls import SynchronousCalls
from mcptasks.protocol.task_answers import give_answers
from mcptasks.protocol.task_calls import plain_call, task_call
from mcptasks.protocol.task_json import progress_meta, shaped_result, task_failure, task_fields
from mcptasks.protocol.task_methods import TaskMethod
from mcptasks.protocol.versions import COMPLETE
from mcptasks.tasks.calls import Call
from mcptasks.tasks.service_errors import TaskEndedError
from mcptasks.tasks.views import TaskView

if TYPE_CHECKING:
    from mcptasks.tasks.service import TaskService

VERSION = "2026-07-28"
EXTENSION = "io.modelcontextprotocol/tasks"

CallMode: TypeAlias = PlainCall | Literal["task"]
"""How a call is served: as a task, or as for a client that knows no tasks."""

UNCACHED: JsonObject = {"ttlMs": 0, "cacheScope": "private"}
"""What this version requires of a resource's result, and what the SDK says where the author says nothing."""


class UpdateParams(TaskIdParams):
    """Params of tasks/update."""

    input_responses: dict[str, dict[str, Any]] = Field(alias="inputResponses")


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
        return {**COMPLETE, **await self.detail(view, ctx)}

    async def detail(self, view: TaskView, ctx: Context) -> JsonObject:
        """`DetailedTask`: the task and what its status brings along.

        Only what the request's client has declared to be able to answer is asked (MUST).
        """
        declared = ctx.session.client_capabilities
        task = render(view) | progress_meta(view)
        if view.result is not None:
            missing = UNCACHED if METHOD_OF_KIND[view.component.kind] == "resources/read" else None
            result = await shaped_result(self.service, view, VERSION, ctx, missing)
            task["result"] = {**COMPLETE, **result}
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
        return dict(COMPLETE)

    async def update(self, ctx: Context, params: UpdateParams) -> HandlerResult:
        """tasks/update: an empty acknowledgement; answers to what was not asked are ignored (SHOULD)."""
        self._check(ctx, params)
        await give_answers(self.service, params.task_id, params.input_responses, _answer)
        return dict(COMPLETE)

    async def middleware(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """End what runs in this process before the process ends; pass all other requests on.

        This version has no tasks but those of tools: a prompt or a resource whose author allows it as a task only is
        not served inline.
        """
        sought = requested(ctx.method, ctx.params)
        if sought is None:
            return await call_next(ctx)
        target = target_of(sought, ctx, self.catalogue)
        if target is None:
            return await run_until_closing(self.service.closing, call_next, ctx)
        if sought[0] is not ComponentKind.TOOL and plain_call(target, self.service) == "refuse":
            raise only_as_task(target)
        if self._mode(target, ctx) != "inline":
            return await call_next(ctx)
        return await run_until_closing(self.service.closing, call_next, ctx)

    async def answer_prompt_or_resource(self, ctx: Context, inline: CallNext) -> HandlerResult:
        """prompts/get and resources/read: the answer of a task where the author wants one for clients without tasks."""
        target = target_of(requested(ctx.method, ctx.params), ctx, self.catalogue)
        if target is None or self._mode(target, ctx) != "wait":
            return await inline(ctx)
        arguments = (ctx.params or {}).get("arguments") or {}
        try:
            target.check_arguments(arguments)
        except ArgumentsError:
            # The component refuses them itself, before its body runs.
            return await inline(ctx)
        try:
            calls = SynchronousCalls(self.service, UNCACHED)
            answer = await calls.answer_plain(ctx, self._call(target, arguments, ctx), "wait")
        except Exception as error:
            raise as_mcp_error(error) from error
        if target.component.kind is ComponentKind.PROMPT:
            return {**COMPLETE, **answer}
        # How long it may be cached the SDK fills in, as the author of the server has it.
        return ReadResourceResult.model_validate({key: answer[key] for key in answer if key not in UNCACHED})

    def _mode(self, target: Target | None, ctx: Context) -> CallMode:
        """How the call is served."""
        if target is None or not target.config.runs_as_task:
            return "inline"
        is_task = target.component.kind is ComponentKind.TOOL and _declares_extension(ctx)
        return "task" if is_task else plain_call(target, self.service)

    async def call_tool(self, params: CallToolRequestParams, ctx: Context, call_next: CallNext) -> HandlerResult:
        """tools/call: a task where the tool allows it and the request declares the extension."""
        calls = SynchronousCalls(self.service)
        target = target_of((ComponentKind.TOOL, params.name), ctx, self.catalogue)
        mode = self._mode(target, ctx)
        if target is None or mode == "inline":
            return await call_next(ctx)
        if mode == "refuse":
            raise only_with_extension(target, EXTENSION)
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
            if mode != "task":
                return {**COMPLETE, **await calls.answer_plain(ctx, call, mode)}
            answer = await calls.answer_soon(ctx, call)
        except Exception as error:
            raise as_mcp_error(error) from error
        if isinstance(answer, TaskView):
            return {"resultType": "task", **render(answer)}
        return {**COMPLETE, **answer}

    def _call(self, target: Target, arguments: JsonObject, ctx: Context) -> Call:
        """The call that the request makes, with what its earlier rounds have brought. Raises InvalidCallError."""
        params, settings = ctx.params or {}, self.service.settings
        rounds = {"input_responses": params.get("inputResponses"), "request_state": params.get("requestState")}
        request = request_of(ctx, settings.forward_headers).model_copy(update=rounds)
        return task_call(target, arguments, ctx, request=request, settings=settings)

    def _check(self, ctx: Context, params: TaskIdParams) -> None:
        """Capability first, then the routing header: a wrong one is refused, a missing one tolerated."""
        require_client_extension(ctx, EXTENSION)
        header = ctx.request.headers.get("mcp-name") if ctx.request is not None else None
        if header is not None and decode_header_value(header) != params.task_id:
            raise MCPError(
                code=HEADER_MISMATCH, message="Header mismatch: Mcp-Name does not name the task in params.taskId"
            )


METHODS: Mapping[str, TaskMethod[Protocol2026]] = {
    "tasks/get": TaskMethod(TaskIdParams, Protocol2026.get, frozenset(MODERN_PROTOCOL_VERSIONS)),
    "tasks/cancel": TaskMethod(TaskIdParams, Protocol2026.cancel, frozenset(MODERN_PROTOCOL_VERSIONS)),
    "tasks/update": TaskMethod(UpdateParams, Protocol2026.update, frozenset(MODERN_PROTOCOL_VERSIONS)),
}


def without_extension(ctx: Context, result: HandlerResult) -> HandlerResult:
    """The result, where tasks are not served: `server/discover` must not advertise them."""
    if ctx.method == "server/discover" and isinstance(result, dict):
        extensions: dict[str, Any] = result.get("capabilities", {}).get("extensions", {})
        extensions.pop(EXTENSION, None)
    return result


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
