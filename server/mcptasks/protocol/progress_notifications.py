"""Progress of a task as notifications on the stream of a request that waits for it."""

from __future__ import annotations

from typing import Any

from mcp_types import ProgressNotification

from mcptasks.model.base import JsonObject
from mcptasks.protocol.requests import Context
from mcptasks.tasks.views import TaskView


async def send_progress(ctx: Context, view: TaskView, meta: JsonObject | None = None) -> None:
    """Progress of the task on the stream of the current request, if its task was asked to report any."""
    token = (view.request.meta or {}).get("progressToken")
    if token is None or view.progress is None:
        return
    progress: dict[str, Any] = {"progressToken": token, "progress": view.progress}
    if meta:
        progress["_meta"] = meta
    if view.progress_total is not None:
        progress["total"] = view.progress_total
    if view.progress_message:
        progress["message"] = view.progress_message
    notification = ProgressNotification.model_validate({"params": progress})
    await ctx.session.send_notification(notification, related_request_id=ctx.request_id)
