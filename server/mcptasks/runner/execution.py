"""Running one component as a server would, away from the server: the same bytes come out.

The result is kept as JSON text of the handler's own result, before any protocol version shapes it; whoever reads it
shapes it for the reader's version.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pydantic_core
from mcp.server.connection import Connection
from mcp.server.context import HandlerResult, ServerRequestContext
from mcp.server.runner import modern_error_data
from mcp.server.session import ServerSession
from mcp.shared.exceptions import MCPError
from mcp_types import LOG_LEVEL_META_KEY, CallToolResult, InputRequiredResult, TextContent
from mcp_types.version import LATEST_MODERN_VERSION
from pydantic import BaseModel

from mcptasks.authoring.call_errors import summary_of
from mcptasks.authoring.call_facts import CallFacts, TaskInfo
from mcptasks.authoring.call_scope import CallScope
from mcptasks.authoring.call_thread import CallSync
from mcptasks.authoring.progress import ProgressListener, listening_in_all_threads
from mcptasks.gateway.contract import Assignment, ErrorOutcome, FailureOutcome, ResultOutcome
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Reason
from mcptasks.protocol.catalogue import Catalogue, Target
from mcptasks.protocol.component_methods import METHOD_OF_KIND, request_params, requested
from mcptasks.protocol.request_target import carrying
from mcptasks.runner.dispatch_context import Channel, TaskDispatchContext

logger = logging.getLogger(__name__)


class Components(Protocol):
    """The components of the user's server, as far as running one goes."""

    @property
    def catalogue(self) -> Catalogue: ...

    def lifespan(self) -> AbstractAsyncContextManager[Any]: ...

    def run_sync_with(self, call_sync: CallSync) -> None: ...

    def call_scope(
        self, facts: CallFacts, call_sync: CallSync, report: ProgressListener
    ) -> AbstractAsyncContextManager[CallScope]: ...

    async def run_request(self, ctx: ServerRequestContext[Any, Any], params: JsonObject) -> HandlerResult: ...


@dataclass(frozen=True)
class ComponentExecution:
    """The run of an assignment's component in this process.

    Args:
        target: the component, looked up once; None where the server has none such.
        task: what the component may know of its task.
    """

    components: Components
    target: Target | None
    assignment: Assignment
    channel: Channel
    task: TaskInfo

    @classmethod
    def of(
        cls, components: Components, assignment: Assignment, channel: Channel, task: TaskInfo | None = None
    ) -> ComponentExecution:
        """The run of the component that the assignment names."""
        target = components.catalogue.find(assignment.component.kind, assignment.component.name)
        task = task or TaskInfo(assignment.task_id, assignment.attempt)
        return cls(components, target, assignment, channel, task)

    @property
    def is_synchronous(self) -> bool:
        """Whether the component is a synchronous function, for which the process keeps its main thread free."""
        return self.target is not None and not self.target.is_async

    async def run(self, call_sync: CallSync) -> ResultOutcome | ErrorOutcome | FailureOutcome:
        """Run the component and give what it came to. `call_sync` runs its synchronous functions.

        Nothing that a component raises as an `Exception` escapes; BaseExceptions such as SystemExit do.
        """
        component = self.assignment.component
        if self.target is None:
            return FailureOutcome(
                reason=Reason.COMPONENT_NOT_FOUND,
                message=f"The runner's module has no {component.kind} {component.name!r}: "
                "make sure that server and task Pods run the same code, and that the module declares it when it is "
                "imported: what a running server adds later is not in its Pods",
            )
        arguments = pydantic_core.from_json(self.assignment.arguments_text)
        if arguments and METHOD_OF_KIND[component.kind] == "resources/read":
            return FailureOutcome(
                reason=Reason.INVALID_ARGUMENTS, message=f"A {component.kind} takes no arguments besides its URI"
            )
        self.components.run_sync_with(call_sync)
        try:
            async with self.components.lifespan() as state:
                return await self._outcome(arguments, state, call_sync)
        except MCPError as error:
            data = None if error.error.data is None else pydantic_core.to_json(error.error.data).decode()
            origin = error.__cause__ or error.__context__
            detail = None if origin is None else summary_of(origin)
            return ErrorOutcome(code=error.error.code, message=error.error.message, data_text=data, detail=detail)
        except Exception as error:
            logger.error("%s %s failed", component.kind, component.name, exc_info=error)
            hidden = modern_error_data(error)
            return ErrorOutcome(code=hidden.code, message=hidden.message, detail=summary_of(error))

    async def _outcome(self, arguments: JsonObject, state: Any, call_sync: CallSync) -> ResultOutcome | FailureOutcome:
        """Run it within the server's lifespan, which has yielded the state."""
        dispatch = TaskDispatchContext.of(self.assignment, self.channel)
        ctx, params = _request(self.assignment, arguments, dispatch, state)
        if (sought := requested(ctx.method, params)) is not None:
            ctx = carrying(ctx, sought, self.components.catalogue, self.target)
        assigned = self.assignment
        facts = CallFacts(
            self.task, assigned.principal, assigned.request.headers or {}, show_exceptions=assigned.show_exceptions
        )
        report = self.channel.report
        # Threads that the component starts have a context of their own, and know of no call.
        with listening_in_all_threads(report):
            async with self.components.call_scope(facts, call_sync, report) as scope:
                outcome = _outcome(await _run_rounds(self.components, ctx, params, dispatch))
                if isinstance(outcome, FailureOutcome):
                    scope.failed(ValueError(outcome.message))
                elif outcome.is_error and scope.failure is not None:
                    outcome = outcome.model_copy(update={"detail": summary_of(scope.failure)})
                return outcome


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
