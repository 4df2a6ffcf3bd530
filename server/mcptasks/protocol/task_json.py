"""A task as JSON, as far as all protocol versions spell it alike: its fields, its progress, its result or error."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pydantic_core
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR
from mcp_types import methods as mcp_methods

from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import timestamp
from mcptasks.model.task import Phase
from mcptasks.protocol.component_methods import METHOD_OF_KIND
from mcptasks.protocol.versions import COMPLETE, PROGRESS_META
from mcptasks.tasks.views import TaskView

if TYPE_CHECKING:
    from mcptasks.tasks.service import TaskService

logger = logging.getLogger(__name__)

INVALID_RESULT = "Handler returned an invalid result"
"""What the SDK says of an inline call whose result the protocol version cannot carry."""


def task_fields(view: TaskView, status: Phase) -> JsonObject:
    """The fields of a task that all protocol versions spell alike."""
    task: JsonObject = {
        "taskId": view.task_id,
        "status": status.value,
        "createdAt": timestamp(view.created_at),
        "lastUpdatedAt": timestamp(view.last_updated_at),
    }
    if view.message:
        task["statusMessage"] = view.message
    return task


def progress_meta(view: TaskView) -> JsonObject:
    """`_meta` of a task with its progress in numbers, for clients that know the key; empty where it has none."""
    if view.progress is None:
        return {}
    progress: JsonObject = {"current": view.progress}
    if view.progress_total is not None:
        progress["total"] = view.progress_total
    return {"_meta": {PROGRESS_META: progress}}


async def shaped_result(
    service: TaskService, view: TaskView, version: str, missing: JsonObject | None = None
) -> JsonObject:
    """The task's result, in the shape that the given protocol version has for it.

    `missing`: what the version requires and no task records.
    """
    text = await service.result_text(view)
    try:
        stored = {**COMPLETE, **(missing or {}), **json.loads(text)}
        return mcp_methods.serialize_server_result(METHOD_OF_KIND[view.component.kind], version, stored)
    except (ValueError, TypeError, RecursionError) as error:
        logger.error("the recorded result is not a result of this kind", exc_info=error, extra={"task": view.task_id})
        raise MCPError(code=INTERNAL_ERROR, message=INVALID_RESULT) from None


def task_failure(view: TaskView) -> MCPError:
    """The JSON-RPC error of a task that ended without a result: its own, or one that gives the reason."""
    if view.error is not None:
        return MCPError(code=view.error.code, message=view.error.message, data=_data(view))
    message = view.message or f"Task {view.phase.value}"
    return MCPError(code=INTERNAL_ERROR, message=message, data={"reason": view.reason} if view.reason else None)


def _data(view: TaskView) -> Any:
    """Data of the task's error; None where nobody could be told it."""
    text = view.error.data_text if view.error else None
    try:
        return None if text is None else pydantic_core.from_json(text)
    except ValueError as error:
        logger.error("the recorded error's data cannot be told: %s", error, extra={"task": view.task_id})
        return None
