"""Three plain tools for clients without tasks: look at a task, fetch its result, cancel it. Their texts are for models.

A client with a hard timeout calls a tool, gets a task's id as text, and asks for the result until it is there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import anyio
from mcp.server.mcpserver import Context
from mcp_types import CallToolResult, TextContent
from pydantic import Field

from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import timestamp
from mcptasks.model.progress_text import number_text
from mcptasks.model.task import Phase
from mcptasks.protocol.raw_answers import answer_of
from mcptasks.protocol.requests import principal_of_caller
from mcptasks.protocol.task_json import stored_result
from mcptasks.tasks.service_errors import ServiceError
from mcptasks.tasks.views import TaskView

if TYPE_CHECKING:
    from mcptasks.tasks.service import TaskService

TaskId = Annotated[str, Field(max_length=1024, description="The id that the tool's call answered with.")]
MAX_WAIT_SECONDS = 300
WAIT_SECONDS = 20


@dataclass(frozen=True)
class TaskTools:
    """The tools of a task service. Each answers only for tasks of its own caller."""

    service: TaskService

    @property
    def functions(self) -> list[Callable[..., Awaitable[CallToolResult]]]:
        """The tools, named as their functions."""
        return [self.task_status, self.task_result, self.task_cancel]

    @property
    def shown(self) -> frozenset[str]:
        """Names of those whose answers the page for MCP Apps shows."""
        return frozenset({self.task_status.__name__})

    async def task_status(self, task_id: TaskId) -> CallToolResult:
        """Say how far a task is. A task is a tool's call that runs in the background."""
        try:
            view = await self.service.poll(task_id, principal_of_caller())
        except ServiceError as error:
            return _refused(error)
        return _described(view)

    async def task_result(
        self,
        task_id: TaskId,
        ctx: Context[Any, Any],
        wait_seconds: Annotated[
            float, Field(ge=0, le=MAX_WAIT_SECONDS, description="How long to wait for the task to end.")
        ] = WAIT_SECONDS,
    ) -> CallToolResult:
        """Give a task's result: what the tool itself would have answered. Says so if the task still runs."""
        try:
            with self.service.waiting(principal_of_caller()):
                view = await self._ended_within(wait_seconds, task_id)
            if not view.phase.terminal:
                return _described(view, "Call task_result again for the result.")
            if view.result is None:
                return _described(view, is_error=True)
            return CallToolResult.model_validate(
                await stored_result(self.service, view, answer_of(ctx.request_context))
            )
        except ServiceError as error:
            return _refused(error)

    async def _ended_within(self, seconds: float, task_id: str) -> TaskView:
        """The task once it has ended, or as it is after the given seconds. Raises ServiceError."""
        async with aclosing(self.service.follow(task_id, principal_of_caller())) as views:
            view = await anext(views)
            with anyio.move_on_after(seconds):
                async for changed in views:
                    view = changed
        return view

    async def task_cancel(self, task_id: TaskId) -> CallToolResult:
        """Cancel a task: its process is ended, and there will be no result."""
        try:
            return _described(await self.service.cancel(task_id, principal_of_caller()))
        except ServiceError as error:
            return _refused(error)


def _described(view: TaskView, advice: str = "", *, is_error: bool = False) -> CallToolResult:
    parts = [f"Task {view.task_id} ({view.component.name}) is {view.phase.value.replace('_', ' ')}."]
    structured: JsonObject = {
        "taskId": view.task_id,
        "status": view.phase.value,
        "tool": view.component.name,
        "createdAt": timestamp(view.created_at),
    }
    if view.message:
        parts.append(view.message if view.message.endswith((".", "!", "?")) else f"{view.message}.")
        structured["statusMessage"] = view.message
    if view.progress is not None:
        structured["progress"] = view.progress
        if view.progress_total is not None:
            structured["total"] = view.progress_total
            if view.phase is not Phase.COMPLETED and view.progress_total > 0:
                parts.append(f"Progress: {number_text(view.progress)} of {number_text(view.progress_total)}.")
    text = " ".join([*parts, *([advice] if advice else [])])
    return CallToolResult(content=[TextContent(text=text)], structured_content=structured, is_error=is_error)


def _refused(error: ServiceError) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=str(error))], is_error=True)
