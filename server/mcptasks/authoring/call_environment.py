"""What surrounds each call of a component: its dependencies, its progress, and the lifespan of its own server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context
from mcp_types import CallToolRequestParams

from mcptasks.authoring.call_facts import CallFacts
from mcptasks.authoring.call_scope import CallScope, call_scope, component_scope, ends_no_server
from mcptasks.authoring.call_thread import CallSync
from mcptasks.authoring.lifespans import Lifespans
from mcptasks.authoring.progress import LatestReport, ProgressListener, listening
from mcptasks.authoring.registrar import Registrar
from mcptasks.authoring.server_catalogue import ServerCatalogue
from mcptasks.authoring.shared_values import SharedValues
from mcptasks.protocol.component_methods import KIND_OF_METHOD, requested
from mcptasks.protocol.requests import headers_of, principal_of_caller
from mcptasks.protocol.sdk_private import ServerInternals
from mcptasks.settings import Settings


class CallEnvironment:
    """Opens scopes for the calls of one server's components."""

    def __init__(self, registrar: Registrar, internals: ServerInternals) -> None:
        self.catalogue = ServerCatalogue(registrar.declarations, internals, self.before_start)
        self._server = registrar.server
        self._internals = internals
        self._shared = SharedValues()
        self.lifespans = Lifespans(registrar, self._shared)
        self._settings: Settings | None = None

    def use(self, settings: Settings | None) -> None:
        """Take from the settings what components may know of their callers; None reads them from the environment."""
        self._settings = settings

    async def middleware(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Middleware around each call: its dependencies stay open until its result is serialised."""
        if ctx.method not in KIND_OF_METHOD:
            return await call_next(ctx)
        allowed = self._allowed()
        facts = CallFacts(
            principal=principal_of_caller(allowed.forward_claims),
            headers=headers_of(ctx, allowed.forward_headers),
            show_exceptions=allowed.show_exceptions,
        )
        async with self.call_scope(facts):
            return await call_next(self.at_home(ctx))

    def call_scope(
        self, facts: CallFacts, call_sync: CallSync | None = None, report: ProgressListener | None = None
    ) -> AbstractAsyncContextManager[CallScope]:
        """The scope of one call, which closes the call's dependencies."""
        return call_scope(facts, self._shared, call_sync, report)

    def at_home(self, ctx: ServerRequestContext[Any, Any]) -> ServerRequestContext[Any, Any]:
        """The request as the component's own server would have it, where that one is mounted here."""
        target = self.catalogue.target_of(requested(ctx.method, ctx.params), ctx)
        if target is None or target.declared.home is self._server:
            return ctx
        return replace(ctx, lifespan_context=self.lifespans.state_of(target.declared.home))

    @asynccontextmanager
    async def component(self, context: Context[Any, Any] | None) -> AsyncIterator[Context[Any, Any]]:
        """A component runs: its dependencies belong to this call, its progress to the request of the context."""
        if context is None:
            context = Context(mcp_server=self._internals.server, subscriptions=self._internals.subscriptions)
            async with component_scope(self._shared, context):
                with ends_no_server():
                    yield context
            return
        async with component_scope(self._shared, context) as scope, _progress_to(scope.report, context):
            with ends_no_server():
                yield context

    @asynccontextmanager
    async def before_start(
        self, params: CallToolRequestParams, ctx: ServerRequestContext[Any, Any]
    ) -> AsyncIterator[Context[Any, Any]]:
        """The same for what a tool asks before it runs."""
        context: Context[Any, Any] = Context(
            request_context=ctx,
            mcp_server=self._internals.server,
            input_params=params,
            subscriptions=self._internals.subscriptions,
        )
        async with self.component(context) as context:
            yield context

    def _allowed(self) -> Settings:
        if self._settings is None:
            self._settings = Settings()
        return self._settings


@asynccontextmanager
async def _progress_to(report: ProgressListener | None, context: Context[Any, Any]) -> AsyncIterator[None]:
    """Send progress to `report`, which no loop holds up, or else to the request of the context."""
    if report is not None:
        with listening(report):
            yield
        return
    reports = LatestReport(context.report_progress)
    with listening(reports):
        try:
            yield
        finally:
            await reports.aclose()


def request_of(context: Context[Any, Any] | None) -> ServerRequestContext[Any, Any] | None:
    """The request that the SDK's context belongs to; None where it was made outside a request."""
    try:
        return None if context is None else context.request_context
    except ValueError:
        return None
