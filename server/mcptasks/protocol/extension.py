"""Where the SDK meets the protocol versions: an `Extension` with the methods about tasks, and one middleware.

The SDK hands over the methods about tasks and, for the newer version, `tools/call`. The middleware serves what the SDK
does not let a handler of the older version say: the capabilities of its handshake, and a task as the answer to a call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from mcp.server.context import CallNext, HandlerResult
from mcp.server.extension import Extension, MethodBinding
from mcp.server.lowlevel import Server
from mcp_types import CallToolRequestParams, SubscriptionsListenRequestParams
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcptasks.protocol import v2025_11_25, v2026_07_28
from mcptasks.protocol.catalogue import Catalogue
from mcptasks.protocol.mcp_errors import not_offered, with_mcp_errors
from mcptasks.protocol.request_observer import RequestObserver, observed
from mcptasks.protocol.request_target import with_target
from mcptasks.protocol.requests import Context
from mcptasks.protocol.task_methods import TaskMethod
from mcptasks.protocol.v2026_07_28_subscriptions import LISTEN, Listen, TaskSubscriptions

if TYPE_CHECKING:
    from mcptasks.tasks.service import TaskService

RequestHandler: TypeAlias = Callable[[Context, Any], Awaitable[HandlerResult]]

MODERN = frozenset(MODERN_PROTOCOL_VERSIONS)


@dataclass(frozen=True)
class ServedVersions:
    """The protocol versions over one task service."""

    legacy: v2025_11_25.Protocol2025
    modern: v2026_07_28.Protocol2026

    async def serve(self, method: str, ctx: Context, params: Any) -> HandlerResult:
        """The answer to a request about tasks, of the version that it is made in."""
        if ctx.protocol_version in MODERN:
            return await v2026_07_28.METHODS[method].serve(self.modern, ctx, params)
        return await v2025_11_25.METHODS[method].serve(self.legacy, ctx, params)

    async def middleware(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """The answer to any request, by the middleware of its version."""
        if ctx.protocol_version in MODERN:
            return await self.modern.middleware(ctx, call_next)
        return await self.legacy.middleware(ctx, call_next)


class TasksExtension(Extension):
    """Tasks in all protocol versions; inert until `bind` gives it a task service."""

    identifier = v2026_07_28.EXTENSION

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._served: ServedVersions | None = None
        self._observer: RequestObserver | None = None

    @property
    def bound(self) -> bool:
        """Whether tasks are served."""
        return self._served is not None

    def is_warm(self, template: str | None) -> bool:
        """Whether workers that are ready run the tasks of the template (None: the default)."""
        return self._served is not None and self._served.modern.service.is_warm(template)

    def bind(self, service: TaskService | None, observer: RequestObserver | None = None) -> None:
        """Serve tasks with the service from now on; without tasks for None. The observer is told of every request."""
        self._observer = observer
        if service is None:
            self._served = None
            return
        older = v2025_11_25.Protocol2025(service, self._catalogue)
        service.replicas.listen(older.running.cancel)
        self._served = ServedVersions(older, v2026_07_28.Protocol2026(service, self._catalogue))

    def attach(self, server: Server[Any]) -> None:
        """Take over methods that the SDK serves already, which a `MethodBinding` must not name.

        An author who wants no streams of subscriptions (`subscriptions=False`) gets none about tasks either.
        """
        for method in ("prompts/get", "resources/read"):
            served = server.get_request_handler(method)
            if served is not None:
                server.add_request_handler(method, served.params_type, partial(self._answer_component, served.handler))
        entry = server.get_request_handler(LISTEN)
        if entry is not None:
            handler = with_mcp_errors(partial(self._subscribe, entry.handler))
            server.add_request_handler(LISTEN, SubscriptionsListenRequestParams, handler)

    def methods(self) -> Sequence[MethodBinding]:
        served = (v2025_11_25.METHODS, v2026_07_28.METHODS)
        names = dict.fromkeys(name for methods in served for name in methods)
        return [self._binding(name, [methods[name] for methods in served if name in methods]) for name in names]

    def _binding(self, name: str, methods: Sequence[TaskMethod[Any]]) -> MethodBinding:
        """One binding for all versions that have the method: the SDK takes no more of one name."""
        versions = frozenset().union(*(method.versions for method in methods))
        return MethodBinding(name, methods[0].params_type, with_mcp_errors(partial(self._serve_method, name)), versions)

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: Context, call_next: CallNext
    ) -> HandlerResult:
        if self._served is None or ctx.protocol_version not in MODERN:
            return await call_next(ctx)
        return await self._served.modern.call_tool(params, ctx, call_next)

    async def middleware(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """For `MCPServer(middleware=[...])`."""
        ctx = with_target(ctx, self._catalogue)
        if self._observer is None or ctx.request_id is None:
            return await self._serve(ctx, call_next)
        return await observed(self._observer, ctx, partial(self._serve, call_next=call_next))

    async def _serve(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        if self._served is None:
            return v2026_07_28.without_extension(ctx, await call_next(ctx))
        return await self._served.middleware(ctx, call_next)

    async def _serve_method(self, method: str, ctx: Context, params: Any) -> HandlerResult:
        if self._served is None:
            raise not_offered(method)
        return await self._served.serve(method, ctx, params)

    async def _answer_component(self, inline: RequestHandler, ctx: Context, params: Any) -> HandlerResult:
        if self._served is None or ctx.protocol_version not in MODERN:
            return await inline(ctx, params)
        return await self._served.modern.answer_prompt_or_resource(ctx, lambda ctx: inline(ctx, params))

    async def _subscribe(self, others: Listen, ctx: Context, params: SubscriptionsListenRequestParams) -> HandlerResult:
        if self._served is None:
            return await others(ctx, params)
        return await TaskSubscriptions(self._served.modern, others).listen(ctx, params)
