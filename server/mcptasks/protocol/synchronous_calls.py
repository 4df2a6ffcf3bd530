"""Calls that are answered with their task's result: for clients that know no tasks, and where it is there soon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from mcptasks.model.base import JsonObject
from mcptasks.model.task_config import PlainCall
from mcptasks.protocol.progress_notifications import send_progress
from mcptasks.protocol.requests import Context
from mcptasks.protocol.task_json import shaped_result, task_failure
from mcptasks.tasks.calls import Call
from mcptasks.tasks.service_errors import DrainingError, InterruptedCallError, ServiceError
from mcptasks.tasks.views import TaskView

if TYPE_CHECKING:
    from mcptasks.tasks.service import TaskService

CANCEL_SECONDS = 5.0


@dataclass(frozen=True)
class SynchronousCalls:
    """Turns calls into tasks and waits for them.

    Args:
        missing: what the protocol version requires of a result and no task records.
        given_up: whether the client has said that it gives the call up, as it does not where its connection breaks.
    """

    service: TaskService
    missing: JsonObject | None = None
    given_up: Callable[[], bool] = lambda: False

    async def answer_plain(self, ctx: Context, call: Call, how: PlainCall) -> JsonObject:
        """The answer to a call whose client knows no tasks.

        `wait` answers as the component itself would have, however long that takes; `submit` does so if it ends soon,
        and gives the task's id as text otherwise.
        """
        # A client that knows no tasks cannot answer what a task asks.
        call = replace(call, can_ask=False)
        if how != "wait":
            answer = await self.answer_soon(ctx, call)
            return _submitted(answer) if isinstance(answer, TaskView) else answer
        with self.service.waiting(call.principal):
            view = await self._created(call)
            ended = await self._ended(ctx, call, view, None)
        return _submitted(view) if ended is None else await self._answer(ended, ctx)

    async def answer_soon(self, ctx: Context, call: Call) -> TaskView | JsonObject:
        """The task, or the plain answer if it ends within the time that its component's configuration gives it."""
        seconds = call.config.answer_within_seconds
        if not seconds or not self.service.may_wait(call.principal):
            return await self._created(call)
        with self.service.waiting(call.principal):
            view = await self._created(call)
            ended = await self._ended(ctx, call, view, seconds)
        return view if ended is None else await self._answer(ended, ctx)

    async def _created(self, call: Call) -> TaskView:
        """The new task. A call that ends meanwhile waits for it: only then is there something to cancel."""
        with anyio.CancelScope(shield=True):
            view = await self.service.create(call)
        async with self._cancelled_with_call(call, view):
            await anyio.lowlevel.checkpoint_if_cancelled()
        return view

    async def _ended(self, ctx: Context, call: Call, view: TaskView, seconds: float | None) -> TaskView | None:
        """The ended task; None where it is not over in time, or asks its caller something."""
        async with self._cancelled_with_call(call, view):
            if seconds is None:
                # Nobody else could answer this call: it has all the time that the server has left.
                return await self._end(ctx, call, view, self.service.closing)
            # A replica that shuts down answers with the task, as it would when the time is over.
            with anyio.move_on_after(seconds), suppress(DrainingError):
                return await self._end(ctx, call, view, self.service.draining)
        return None

    async def _end(self, ctx: Context, call: Call, view: TaskView, stop: asyncio.Event) -> TaskView | None:
        async for now in self.service.follow(view.task_id, call.principal, stop):
            if now.phase.terminal:
                return now
            if now.input_requests:
                return None
            await send_progress(ctx, now)
        raise AssertionError("follow ends only with a terminal task")

    @asynccontextmanager
    async def _cancelled_with_call(self, call: Call, view: TaskView) -> AsyncIterator[None]:
        """Cancel the task if the call ends without an answer: nobody knows the task's id.

        With an idempotency key the caller gets to the task by the same call again, unless it was given up: then what
        it has made is cancelled, and the task of an earlier call with the same key is not.
        """
        try:
            yield
        except (anyio.get_cancelled_exc_class(), ServiceError) as error:
            if call.idempotency_key is None:
                with anyio.CancelScope(shield=True), anyio.move_on_after(CANCEL_SECONDS):
                    await self._cancel(view, call)
                if isinstance(error, DrainingError):
                    raise InterruptedCallError from error
            elif call.call_id is not None and self.given_up():
                with anyio.CancelScope(shield=True), anyio.move_on_after(CANCEL_SECONDS), suppress(ServiceError):
                    await self.service.cancel_call(call.call_id, call.principal, is_known=True)
            raise

    async def _cancel(self, view: TaskView, call: Call) -> None:
        try:
            await self.service.cancel(view.task_id, call.principal)
        except ServiceError:
            # The task has ended or is gone, or the cluster cannot be reached, and its ttl will remove it.
            return

    async def _answer(self, view: TaskView, ctx: Context) -> JsonObject:
        if view.result is None:
            raise task_failure(view)
        return await shaped_result(self.service, view, ctx.protocol_version, ctx, self.missing)


def _submitted(view: TaskView) -> JsonObject:
    """A tool's result that says, in text, where its result will be."""
    text = (
        f"{view.component.name} runs in the background as task {view.task_id}. "
        f'Call task_result with task_id "{view.task_id}" for its result, task_status to see how far it is, '
        "task_cancel to stop it."
    )
    structured = {"taskId": view.task_id, "status": view.phase.value}
    return {"content": [{"type": "text", "text": text}], "structuredContent": structured, "isError": False}
