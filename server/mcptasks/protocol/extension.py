"""Where the SDK meets both protocol versions: an `Extension` with the tasks/* methods, and one middleware.

The extension serves both versions' methods (`MethodBinding` with its versions) and, for 2026-07-28, `tools/call`. The
middleware serves what the SDK does not let a 2025-11-25 handler say: `capabilities.tasks` and `CreateTaskResult`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mcp.server.context import CallNext, HandlerResult
from mcp.server.extension import Extension, MethodBinding
from mcp.server.lowlevel import Server
from mcp_types import CallToolRequestParams, SubscriptionsListenRequestParams
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from mcptasks.model.task import ComponentKind
from mcptasks.protocol import v2025_11_25, v2026_07_28
from mcptasks.protocol.catalogue import Catalogue, requested
from mcptasks.protocol.inline_calls import until_closing
from mcptasks.protocol.request_observer import RequestObserver, observed
from mcptasks.protocol.request_target import target_of, with_target
from mcptasks.protocol.requests import (
    AnswerParams,
    Context,
    ListParams,
    TaskIdParams,
    UpdateParams,
    mapped,
    not_offered,
)
from mcptasks.protocol.v2025_11_25_http import ANSWER
from mcptasks.protocol.v2026_07_28_subscriptions import LISTEN, Listen, TaskSubscriptions

if TYPE_CHECKING:
    from mcptasks.tasks.service import TaskService

LEGACY = frozenset({v2025_11_25.VERSION})
HANDSHAKE = frozenset(HANDSHAKE_PROTOCOL_VERSIONS)
MODERN = frozenset(MODERN_PROTOCOL_VERSIONS)


@dataclass(frozen=True)
class Bound:
    """The two protocol versions over one task service."""

    legacy: v2025_11_25.Protocol2025
    modern: v2026_07_28.Protocol2026


class TasksExtension(Extension):
    """Tasks in both protocol versions; inert until `bind` gives it a task service."""

    identifier = v2026_07_28.EXTENSION

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._bound: Bound | None = None
        self._observer: RequestObserver | None = None

    @property
    def bound(self) -> bool:
        """Whether tasks are served."""
        return self._bound is not None

    def bind(self, service: TaskService | None, observer: RequestObserver | None = None) -> None:
        """Serve tasks with the service from now on; without tasks for None. The observer is told of every request."""
        self._observer = observer
        if service is None:
            self._bound = None
            return
        self._bound = Bound(
            v2025_11_25.Protocol2025(service, self._catalogue), v2026_07_28.Protocol2026(service, self._catalogue)
        )

    def attach(self, server: Server[Any]) -> None:
        """Take a method over that the SDK serves already, which a `MethodBinding` must not.

        An author who wants no such streams (`subscriptions=False`) gets none about tasks either.
        """
        entry = server.get_request_handler(LISTEN)
        if entry is not None:
            handler = mapped(partial(self._subscribe, entry.handler))
            server.add_request_handler(LISTEN, SubscriptionsListenRequestParams, handler)

    def methods(self) -> Sequence[MethodBinding]:
        return [
            MethodBinding("tasks/get", TaskIdParams, mapped(self._get), LEGACY | MODERN),
            MethodBinding("tasks/cancel", TaskIdParams, mapped(self._cancel), LEGACY | MODERN),
            MethodBinding("tasks/result", TaskIdParams, mapped(self._result), LEGACY),
            MethodBinding("tasks/list", ListParams, mapped(self._list), LEGACY),
            MethodBinding("tasks/update", UpdateParams, mapped(self._update), MODERN),
            # Some clients leave the version out where they answer.
            MethodBinding(ANSWER, AnswerParams, mapped(self._answer), HANDSHAKE),
        ]

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: Context, call_next: CallNext
    ) -> HandlerResult:
        if self._bound is None or ctx.protocol_version not in MODERN:
            return await call_next(ctx)
        return await self._bound.modern.call_tool(params, ctx, call_next)

    async def middleware(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """For `MCPServer(middleware=[...])`."""
        ctx = with_target(ctx, self._catalogue)
        if self._observer is None or ctx.request_id is None:
            return await self._serve(ctx, call_next)
        return await observed(self._observer, ctx, partial(self._serve, call_next=call_next))

    async def _serve(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        if self._bound is None:
            return self._without_extension(ctx, await call_next(ctx))
        if ctx.protocol_version in MODERN:
            self._refuse_required(ctx)
            if self._bound.modern.runs_inline(ctx):
                return await until_closing(self._bound.modern.service.closing, call_next, ctx)
            return await call_next(ctx)
        return await self._bound.legacy.middleware(ctx, call_next)

    def _refuse_required(self, ctx: Context) -> None:
        """The modern version has no tasks but tools: what its author allows as a task only is not served inline."""
        sought = requested(ctx.method, ctx.params)
        if sought is None or sought[0] is ComponentKind.TOOL:
            return
        target = target_of(sought, ctx, self._catalogue)
        if target is not None and target.config.mode == "required":
            raise v2025_11_25.only_as_task(target)

    def _without_extension(self, ctx: Context, result: HandlerResult) -> HandlerResult:
        """`server/discover` must not advertise what is not served."""
        if ctx.method == "server/discover" and isinstance(result, dict):
            extensions: dict[str, Any] = result.get("capabilities", {}).get("extensions", {})
            extensions.pop(self.identifier, None)
        return result

    def _for(self, ctx: Context, method: str) -> v2025_11_25.Protocol2025 | v2026_07_28.Protocol2026:
        if self._bound is None:
            raise not_offered(method)
        return self._bound.modern if ctx.protocol_version in MODERN else self._bound.legacy

    def _legacy(self, method: str) -> v2025_11_25.Protocol2025:
        if self._bound is None:
            raise not_offered(method)
        return self._bound.legacy

    async def _get(self, ctx: Context, params: TaskIdParams) -> HandlerResult:
        return await self._for(ctx, "tasks/get").get(ctx, params)

    async def _cancel(self, ctx: Context, params: TaskIdParams) -> HandlerResult:
        return await self._for(ctx, "tasks/cancel").cancel(ctx, params)

    async def _result(self, ctx: Context, params: TaskIdParams) -> HandlerResult:
        return await self._legacy("tasks/result").result(ctx, params)

    async def _list(self, ctx: Context, params: ListParams) -> HandlerResult:
        return await self._legacy("tasks/list").list(ctx, params)

    async def _answer(self, ctx: Context, params: AnswerParams) -> HandlerResult:
        return await self._legacy(ANSWER).answer(ctx, params)

    async def _update(self, ctx: Context, params: UpdateParams) -> HandlerResult:
        if self._bound is None:
            raise not_offered("tasks/update")
        return await self._bound.modern.update(ctx, params)

    async def _subscribe(self, others: Listen, ctx: Context, params: SubscriptionsListenRequestParams) -> HandlerResult:
        if self._bound is None:
            return await others(ctx, params)
        return await TaskSubscriptions(self._bound.modern, others).listen(ctx, params)
