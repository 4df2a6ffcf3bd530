"""`subscriptions/listen` of protocol version 2026-07-28: changes of tasks, beside those that the SDK reports.

https://github.com/modelcontextprotocol/ext-tasks, specification/2026-07-28/tasks.md, "Task Status Notifications"
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import anyio
from mcp.server.context import HandlerResult
from mcp.server.mcpserver.server import require_client_extension
from mcp.server.session import ServerSession
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types import (
    INVALID_PARAMS,
    Notification,
    RequestId,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotification,
    SubscriptionsAcknowledgedNotificationParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
)

from mcptasks.model.base import JsonObject
from mcptasks.model.task import Principal
from mcptasks.protocol.requests import Context, max_result_bytes_of, principal_of_caller
from mcptasks.protocol.token_lapse import token_lapse
from mcptasks.protocol.v2026_07_28 import EXTENSION, Protocol2026
from mcptasks.tasks.service_errors import (
    DrainingError,
    InvalidCallError,
    TaskNotFoundError,
    TooManyAnswersError,
    TooManyUnknownIdsError,
    UnavailableServiceError,
)
from mcptasks.tasks.views import TaskView

LISTEN = "subscriptions/listen"
TASK_IDS = "taskIds"

MAX_TASK_IDS = 100
"""Tasks that one stream reports. Further ones are not acknowledged: each id that is looked up costs a read."""

Listen = Callable[[Context, SubscriptionsListenRequestParams], Awaitable[HandlerResult]]


class TaskNotification(Notification[dict[str, Any], Literal["notifications/tasks"]]):
    """A task, complete, as tasks/get has it at that moment."""

    method: Literal["notifications/tasks"] = "notifications/tasks"


@dataclass(frozen=True)
class TaskSubscriptions:
    """Serves streams that report tasks, what the SDK reports (`others`), or both.

    A stream about tasks alone ends when all of them have ended.
    """

    protocol: Protocol2026
    others: Listen

    async def listen(self, ctx: Context, params: SubscriptionsListenRequestParams) -> HandlerResult:
        """subscriptions/listen: first the acknowledgement, then each task as it is and after each change.

        Raises:
            DrainingError: this replica is shutting down. A stream that is open then ends with its result.
            InvalidCallError: the request says wrongly how large a result may be.
            TooManySubscriptionsError: the caller has as many of them open as it may have.
            TooManyWaitingCallsError: it waits for as many tasks as it may.
        """
        asked = _asked(params.notifications)
        if asked is not None:
            require_client_extension(ctx, EXTENSION)
            # What only a task's end needs is refused now, and not when the first one has ended.
            max_result_bytes_of(ctx)
        if self.protocol.service.draining.is_set():
            raise DrainingError
        service, principal = self.protocol.service, principal_of_caller()
        with service.subscribed(principal):
            accepted = None if asked is None else await self._accepted(asked)
            # The subscription counts as one already.
            with service.waiting(principal, max(0, len(accepted or ()) - 1)):
                return await self._stream(ctx, params, accepted)

    async def _stream(
        self, ctx: Context, params: SubscriptionsListenRequestParams, accepted: list[str] | None
    ) -> HandlerResult:
        session = _Acknowledging(ctx.session, accepted)
        ctx = replace(ctx, session=cast(ServerSession, session))
        others = self.others if accepted is None or _wants_others(params.notifications) else None
        async with anyio.create_task_group() as group:
            group.start_soon(self._end_when_draining, group.cancel_scope)
            group.start_soon(_end_at_lapse, ctx, group.cancel_scope)
            if others is None:
                await session.send_notification(_acknowledgement(ctx), ctx.request_id)
            else:
                group.start_soon(_until_it_ends, others, ctx, params, group.cancel_scope)
                await session.acknowledged.wait()
            async with anyio.create_task_group() as telling:
                for task_id in accepted or ():
                    telling.start_soon(self._tell, ctx, task_id)
            if others is None:
                group.cancel_scope.cancel()
        return SubscriptionsListenResult.model_validate({"_meta": _meta(ctx)})

    async def _accepted(self, asked: Iterable[str]) -> list[str]:
        """Those of the ids that the caller may read; unknown and foreign ones are not told apart."""
        principal, wanted = principal_of_caller(), list(dict.fromkeys(asked))[:MAX_TASK_IDS]
        readable = await asyncio.gather(*(self._may_read(task_id, principal) for task_id in wanted))
        return [task_id for task_id, may in zip(wanted, readable, strict=True) if may]

    async def _may_read(self, task_id: str, principal: Principal | None) -> bool:
        """Whether the caller may read the task. Unknown ids beyond what is looked up are taken for unknown."""
        try:
            return await self.protocol.service.may_read(task_id, principal)
        except TooManyUnknownIdsError:
            return False

    async def _tell(self, ctx: Context, task_id: str) -> None:
        """Send the task after each change until it has ended, is gone, or cannot be shown."""
        try:
            async with aclosing(self.protocol.service.follow(task_id, principal_of_caller())) as views:
                async for view in views:
                    task = await self._detail(view, ctx)
                    task["_meta"] = {**task.get("_meta", {}), **_meta(ctx)}
                    await ctx.session.send_notification(TaskNotification(params=task), ctx.request_id)  # type: ignore[arg-type]
        except (TaskNotFoundError, UnavailableServiceError, DrainingError, InvalidCallError, MCPError):
            # A client that polls the task is told why.
            return

    async def _detail(self, view: TaskView, ctx: Context) -> JsonObject:
        """The task with its result, as soon as there is room for that: the other tasks of the stream go on."""
        while True:
            with suppress(TooManyAnswersError):
                return await self.protocol.detail(view, ctx)

    async def _end_when_draining(self, scope: anyio.CancelScope) -> None:
        await self.protocol.service.draining.wait()
        scope.cancel()


@dataclass(frozen=True)
class _Acknowledging:
    """The request's session, with the tasks in the acknowledgement that goes through it."""

    inner: ServerSession
    task_ids: list[str] | None
    acknowledged: anyio.Event = field(default_factory=anyio.Event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def send_notification(self, notification: Any, related_request_id: RequestId | None = None) -> None:
        """Send it on the stream of the request."""
        if isinstance(notification, SubscriptionsAcknowledgedNotification) and self.task_ids is not None:
            kinds = notification.params.notifications.model_copy(update={TASK_IDS: self.task_ids})
            params = notification.params.model_copy(update={"notifications": kinds})
            notification = notification.model_copy(update={"params": params})
        await self.inner.send_notification(notification, related_request_id)
        self.acknowledged.set()


async def _end_at_lapse(ctx: Context, scope: anyio.CancelScope) -> None:
    await token_lapse(ctx)
    scope.cancel()


async def _until_it_ends(
    others: Listen, ctx: Context, params: SubscriptionsListenRequestParams, scope: anyio.CancelScope
) -> None:
    await others(ctx, params)
    scope.cancel()


def _asked(wanted: SubscriptionFilter) -> list[str] | None:
    """The ids of the tasks that the client wants to hear of; None where it does not ask for tasks."""
    ids = (wanted.model_extra or {}).get(TASK_IDS)
    if ids is None:
        return None
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise MCPError(code=INVALID_PARAMS, message=f"Invalid {TASK_IDS}: use a list of task ids")
    return ids


def _wants_others(wanted: SubscriptionFilter) -> bool:
    return any(value for key, value in wanted if key in SubscriptionFilter.model_fields)


def _acknowledgement(ctx: Context) -> SubscriptionsAcknowledgedNotification:
    params: JsonObject = {"notifications": {}, "_meta": _meta(ctx)}
    return SubscriptionsAcknowledgedNotification(
        params=SubscriptionsAcknowledgedNotificationParams.model_validate(params)
    )


def _meta(ctx: Context) -> JsonObject:
    """What every message of the stream carries: the request that it belongs to."""
    return {SUBSCRIPTION_ID_META_KEY: ctx.request_id}
