"""Running one component as a server would, away from the server: the same bytes come out.

The result is kept as JSON text of the handler's own result, before any protocol version shapes it; whoever reads it
shapes it for the reader's version.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import anyio
import pydantic_core
from mcp.server.connection import Connection
from mcp.server.context import HandlerResult, ServerRequestContext
from mcp.server.runner import modern_error_data
from mcp.server.session import ServerSession
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.transport_context import TransportContext
from mcp_types import (
    INTERNAL_ERROR,
    LOG_LEVEL_META_KEY,
    CallToolResult,
    ClientCapabilities,
    InputRequiredResult,
    TextContent,
)
from mcp_types.version import LATEST_MODERN_VERSION, MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel

from mcptasks.authoring.call_facts import CallFacts, TaskInfo
from mcptasks.authoring.call_scope import CallScope
from mcptasks.authoring.call_thread import CallSync
from mcptasks.authoring.progress import LatestReport, listening
from mcptasks.gateway.contract import Assignment, ErrorOutcome, FailureOutcome, ResultOutcome
from mcptasks.model.questions import Answer, QuestionError
from mcptasks.model.task import JsonObject, Reason
from mcptasks.protocol.catalogue import Catalogue, Target
from mcptasks.protocol.component_methods import METHOD_OF_KIND, request_params, requested
from mcptasks.protocol.input_requests import INPUT_METHODS, require_capability, summary
from mcptasks.protocol.request_target import carrying

logger = logging.getLogger(__name__)


class Components(Protocol):
    """The components of the user's server, as far as running one goes."""

    @property
    def catalogue(self) -> Catalogue: ...

    def lifespan(self) -> AbstractAsyncContextManager[Any]: ...

    def run_sync_with(self, call_sync: CallSync) -> None: ...

    def call_scope(self, facts: CallFacts, call_sync: CallSync) -> AbstractAsyncContextManager[CallScope]: ...

    async def run_request(self, ctx: ServerRequestContext[Any, Any], params: JsonObject) -> HandlerResult: ...


class Channel(Protocol):
    """Where a running component's progress, log messages and questions go."""

    async def progress(self, current: float, total: float | None, message: str | None) -> None:
        """Take a progress report; the latest one wins."""
        ...

    def log(self, level: str, data: object) -> None:
        """Write a log message of the component's."""
        ...

    async def ask(self, method: str, params_text: str, message: str | None) -> Answer:
        """Put a request to the caller and wait for the answer, however long it takes. Raises QuestionError."""
        ...


def find_target(components: Components, assignment: Assignment) -> Target | None:
    """The component that the assignment is for; None where the server has none such."""
    return components.catalogue.find(assignment.component.kind, assignment.component.name)


def runs_in_main_thread(target: Target | None) -> bool:
    """Whether the component is a synchronous function, for which the process keeps its main thread free."""
    return target is not None and not target.is_async


async def execute(
    components: Components,
    target: Target | None,
    assignment: Assignment,
    channel: Channel,
    call_sync: CallSync,
    task: TaskInfo | None = None,
) -> ResultOutcome | ErrorOutcome | FailureOutcome:
    """Run the assignment's component, which has been looked up, and give what it came to.

    Nothing that a component raises as an `Exception` escapes; BaseExceptions such as SystemExit do.
    """
    component = assignment.component
    if target is None:
        return FailureOutcome(
            reason=Reason.COMPONENT_NOT_FOUND,
            message=f"The runner's module has no {component.kind} {component.name!r}: "
            "make sure that server and task Pods run the same code, and that the module declares it when it is "
            "imported: what a running server adds later is not in its Pods",
        )
    arguments = pydantic_core.from_json(assignment.arguments_text)
    if arguments and METHOD_OF_KIND[component.kind] == "resources/read":
        return FailureOutcome(
            reason=Reason.INVALID_ARGUMENTS, message=f"A {component.kind} takes no arguments besides its URI"
        )
    components.run_sync_with(call_sync)
    try:
        async with components.lifespan() as state:
            dispatch = TaskDispatchContext.of(assignment, channel)
            ctx, params = _request(assignment, arguments, dispatch, state)
            if (sought := requested(ctx.method, params)) is not None:
                ctx = carrying(ctx, sought, components.catalogue, target)
            reports = LatestReport(channel.progress)
            with listening(reports):
                try:
                    async with components.call_scope(_facts(assignment, task), call_sync) as scope:
                        outcome = _outcome(await _run_rounds(components, ctx, params, dispatch))
                        if isinstance(outcome, FailureOutcome):
                            scope.failed(ValueError(outcome.message))
                        return outcome
                finally:
                    await reports.aclose()
    except MCPError as error:
        data = None if error.error.data is None else pydantic_core.to_json(error.error.data).decode()
        return ErrorOutcome(code=error.error.code, message=error.error.message, data_text=data)
    except Exception as error:
        logger.error("%s %s failed", component.kind, component.name, exc_info=error)
        hidden = modern_error_data(error)
        return ErrorOutcome(code=hidden.code, message=hidden.message)


def _facts(assignment: Assignment, task: TaskInfo | None) -> CallFacts:
    return CallFacts(
        task or TaskInfo(assignment.task_id, assignment.attempt),
        assignment.principal,
        assignment.request.headers or {},
    )


RE_ENTRY_SECONDS = 1.0
"""Pause before a component is entered again that has asked for nothing but that."""


async def _run_rounds(
    components: Components, ctx: ServerRequestContext[Any, Any], params: JsonObject, dispatch: TaskDispatchContext
) -> HandlerResult:
    """Run the component until it gives a result, answering the questions that it returns in between.

    A component that returns its questions (`InputRequiredResult`, `Resolve`) is entered again in the same process with
    the answers. Leaving the process instead would save memory while it waits, at the price of a second start (a Pod, an
    image, imports) for each round and of a Job with several Pods that have not failed; and the lifespan that the
    component was entered with would be another one.
    """
    while True:
        result = await components.run_request(ctx, params)
        if not isinstance(result, InputRequiredResult):
            return result
        params = {key: value for key, value in params.items() if key not in ("inputResponses", "requestState")}
        if result.request_state is not None:
            params["requestState"] = result.request_state
        if result.input_requests:
            params["inputResponses"] = await _ask_all(result, dispatch)
        else:
            await asyncio.sleep(RE_ENTRY_SECONDS)
        ctx = replace(ctx, params=params)


async def _ask_all(result: InputRequiredResult, dispatch: TaskDispatchContext) -> JsonObject:
    """The answers to all questions of a round, by the component's own keys, which may come again in another round."""
    dumped = result.model_dump(by_alias=True, mode="json", exclude_none=True)["inputRequests"]
    asking = [
        asyncio.ensure_future(dispatch.send_raw_request(request["method"], request.get("params")))
        for request in dumped.values()
    ]
    try:
        return dict(zip(dumped, await asyncio.gather(*asking), strict=True))
    finally:
        for each in asking:
            each.cancel()


def _request(
    assignment: Assignment, arguments: JsonObject, dispatch: TaskDispatchContext, state: Any
) -> tuple[ServerRequestContext[Any, Any], JsonObject]:
    request, component = assignment.request, assignment.component
    version = request.protocol_version or LATEST_MODERN_VERSION
    connection = Connection.from_envelope(version, request.client_info, request.client_capabilities, outbound=dispatch)
    params = request_params(component.kind, component.name, arguments)
    if request.meta:
        params["_meta"] = request.meta
    if request.input_responses is not None:
        params["inputResponses"] = request.input_responses
    if request.request_state is not None:
        params["requestState"] = request.request_state
    method = METHOD_OF_KIND[component.kind]
    ctx: ServerRequestContext[Any, Any] = ServerRequestContext(
        # All of the component's log messages go to the Pod's log, whatever the caller wanted to hear of.
        session=ServerSession(dispatch, connection, request_meta={LOG_LEVEL_META_KEY: "debug"}),  # type: ignore[arg-type]
        lifespan_context=state,
        protocol_version=version,
        method=method,
        params=params,
        request_id=assignment.task_id,
        meta=request.meta,  # type: ignore[arg-type]
    )
    return ctx, params


def _outcome(result: HandlerResult) -> ResultOutcome | FailureOutcome:
    try:
        plain = (
            result.model_dump(by_alias=True, mode="json", exclude_none=True)
            if isinstance(result, BaseModel)
            else result
        )
        text = pydantic_core.to_json(plain, inf_nan_mode="null").decode()
    except (ValueError, TypeError) as error:
        logger.error("the result cannot be serialised", exc_info=error)
        return FailureOutcome(
            reason=Reason.RESULT_NOT_SERIALIZABLE,
            message=f"The tool's result cannot be written as JSON: {error}. "
            "Return JSON-like values, a pydantic model or MCP content.",
        )
    if isinstance(result, CallToolResult) and result.is_error:
        return ResultOutcome(text=text, is_error=True, message=_text_of(result))
    return ResultOutcome(text=text)


def _text_of(result: CallToolResult) -> str | None:
    return next((block.text for block in result.content if isinstance(block, TextContent)), None)


@dataclass(frozen=True)
class TaskDispatchContext:
    """The SDK's `DispatchContext` of a task: all that the component says to its client goes to the channel.

    `can_send_request` is what the SDK goes by when it checks the client's capabilities before it asks. In the versions
    with a handshake clients declare them once: where a client does not say so in its later requests, nobody knows them,
    and nothing is checked (`checked`).
    """

    channel: Channel
    request_id: str
    declared: ClientCapabilities | None = None
    checked: bool = False
    message_metadata: None = None
    cancel_requested: anyio.Event = field(default_factory=anyio.Event)

    @classmethod
    def of(cls, assignment: Assignment, channel: Channel) -> TaskDispatchContext:
        request = assignment.request
        modern = (request.protocol_version or LATEST_MODERN_VERSION) in MODERN_PROTOCOL_VERSIONS
        checked = modern or request.client_capabilities is not None
        declared = ClientCapabilities.model_validate(request.client_capabilities or {}) if checked else None
        return cls(channel, assignment.task_id, declared, checked)

    @property
    def can_send_request(self) -> bool:
        return self.checked

    @property
    def transport(self) -> TransportContext:
        return TransportContext(kind="mcptasks", can_send_request=self.can_send_request)

    async def send_raw_request(self, method: str, params: Mapping[str, Any] | None, opts: Any = None) -> dict[str, Any]:
        """Ask the client, through the task, and wait for the answer.

        Raises:
            MCPError: the client cannot be asked this, or has answered with an error.
            NoBackChannelError: nobody can be asked this from a task.
        """
        if method not in INPUT_METHODS:
            raise NoBackChannelError(method)
        params = dict(params or {})
        if self.checked:
            require_capability(self.declared, method, params)
        try:
            answer = await self.channel.ask(method, json.dumps(params, ensure_ascii=False), summary(method, params))
        except QuestionError as error:
            raise MCPError(code=INTERNAL_ERROR, message=str(error)) from error
        if answer.error is not None:
            data = None if answer.error.data_text is None else json.loads(answer.error.data_text)
            raise MCPError(code=answer.error.code, message=answer.error.message, data=data)
        result: dict[str, Any] = json.loads(answer.text or "{}")
        return result

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: Any = None) -> None:
        if method == "notifications/message" and params is not None:
            self.channel.log(str(params.get("level", "info")), params.get("data"))

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        await self.channel.progress(progress, total, message)
