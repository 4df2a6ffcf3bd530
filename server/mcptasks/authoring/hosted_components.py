"""Running a server's components away from the server: what the runner asks (`mcptasks.runner.execution.Components`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial, wraps
from typing import Any

from mcp.server.context import HandlerResult, ServerRequestContext
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resources import FunctionResource

from mcptasks.authoring.call_environment import CallEnvironment
from mcptasks.authoring.call_facts import CallFacts
from mcptasks.authoring.call_scope import CallScope
from mcptasks.authoring.call_thread import CallSync, call_here
from mcptasks.authoring.functions import is_async
from mcptasks.authoring.progress import ProgressListener
from mcptasks.authoring.server_catalogue import ServerCatalogue
from mcptasks.model.base import JsonObject
from mcptasks.protocol.sdk_private import ServerInternals


class HostedComponents:
    """The components of one server, in a process that runs them instead of serving them."""

    def __init__(self, environment: CallEnvironment, internals: ServerInternals) -> None:
        self._environment = environment
        self._internals = internals
        self._call_sync: CallSync = call_here

    @property
    def catalogue(self) -> ServerCatalogue:
        """Where the components are looked up."""
        return self._environment.catalogue

    def lifespan(self) -> AbstractAsyncContextManager[Any]:
        """The server's lifespan; what it yields is `ctx.request_context.lifespan_context` of each call."""
        lowlevel = self._internals.lowlevel
        return lowlevel.lifespan(lowlevel)

    def call_scope(
        self, facts: CallFacts, call_sync: CallSync, report: ProgressListener
    ) -> AbstractAsyncContextManager[CallScope]:
        """The scope of one call, which closes the call's dependencies. Progress goes to `report`."""
        return self._environment.call_scope(facts, call_sync, report)

    def run_sync_with(self, call_sync: CallSync) -> None:
        """Run synchronous functions through `call_sync` from now on, instead of in a thread of the SDK's."""
        self._call_sync = call_sync
        for tool in self._internals.tools():
            if not tool.is_async:
                tool.fn = self._through_call_sync(tool.fn)
                tool.is_async = True
        components: list[Any] = [
            *self._internals.prompts(),
            *self._internals.templates(),
            *(resource for resource in self._internals.resources() if isinstance(resource, FunctionResource)),
        ]
        for component in components:
            if not is_async(component.fn):
                component.fn = self._through_call_sync(component.fn)

    def _through_call_sync(self, fn: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        @wraps(fn)
        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._call_sync(partial(fn, *args, **kwargs))

        return call

    async def run_request(self, ctx: ServerRequestContext[Any, Any], params: JsonObject) -> HandlerResult:
        """Run one request by its handler, as the server itself would, and give the handler's own result.

        Raises what the handler raises, `MCPError` for one that the caller is to see.
        """
        entry = self._internals.lowlevel.get_request_handler(ctx.method)
        if entry is None:
            raise ToolError(f"{ctx.method} is not served")
        ctx = self._environment.at_home(ctx)
        return await entry.handler(ctx, entry.params_type.model_validate(params, by_name=False))
