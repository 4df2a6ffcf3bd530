"""A task as JSON, as far as all protocol versions spell it alike: its fields, its progress, its result or error."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pydantic_core
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR
from mcp_types import methods as mcp_methods
from mcp_types.version import is_version_at_least

from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import timestamp
from mcptasks.model.task import ComponentKind, Phase, ResultRecord
from mcptasks.protocol.component_methods import METHOD_OF_KIND
from mcptasks.protocol.large_parts import large_parts, left_of
from mcptasks.protocol.raw_answers import AnswerPortion, CallAnswer, answer_of
from mcptasks.protocol.raw_json import NotCompactJsonError
from mcptasks.protocol.requests import Context, max_result_bytes_of, principal_of_caller
from mcptasks.protocol.versions import COMPLETE, HAS_RESOURCE_LINKS, PROGRESS_META, RESULT_MIME_TYPE, RESULT_PIECE_META
from mcptasks.settings import KIB
from mcptasks.tasks.byte_budget import BUDGET_SECONDS, RETRY_SECONDS
from mcptasks.tasks.owners import caller_key
from mcptasks.tasks.service_errors import TooManyAnswersError
from mcptasks.tasks.views import TaskView

if TYPE_CHECKING:
    from mcptasks.tasks.service import TaskService

logger = logging.getLogger(__name__)

SMALL_RESULT_BYTES = 64 * KIB
"""Up to this size a result is parsed and sent like any other answer."""

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


async def stored_result(
    service: TaskService,
    view: TaskView,
    answer: CallAnswer | None,
    shape: Callable[[JsonObject], JsonObject] = lambda result: result,
) -> JsonObject:
    """The task's result as it is stored, and then shaped. What of it is large is held back in the answer, if any.

    Raises TooManyAnswersError, MCPError, and what `TaskService.result_text` raises.
    """
    size = view.result.size_bytes if view.result is not None else 0
    if answer is None or size <= SMALL_RESULT_BYTES:
        return shape(_parsed(await service.result_text(view), view))
    portion = await answer_portion(service, size, answer)
    try:
        result = shape(_parsed(await _small_text(service, view, portion), view))
        portion.settle(result)
    except BaseException:
        portion.give_up()
        raise
    return result


async def _small_text(service: TaskService, view: TaskView, portion: AnswerPortion) -> str:
    """The result with tokens for its large parts."""
    text = await service.result_text(view)
    try:
        return left_of(text, await asyncio.to_thread(large_parts, text), portion.hold)
    except NotCompactJsonError as error:
        logger.error("the recorded result cannot be sent: %s", error, extra={"task": view.task_id})
        raise MCPError(code=INTERNAL_ERROR, message=INVALID_RESULT) from None


async def answer_portion(service: TaskService, size: int, answer: CallAnswer) -> AnswerPortion:
    """Take a result's size from the budget until it has been sent. Raises TooManyAnswersError."""
    budget, caller = service.answer_budget, caller_key(principal_of_caller())
    if not await budget.take(caller, size, BUDGET_SECONDS):
        answer.retry_after_seconds = RETRY_SECONDS
        raise TooManyAnswersError(RETRY_SECONDS)
    return answer.portion(partial(budget.give_back, caller, size))


def _parsed(text: str, view: TaskView) -> JsonObject:
    try:
        result: JsonObject = {**json.loads(text)}
    except (ValueError, TypeError, RecursionError) as error:
        logger.error("the recorded result is no JSON object", exc_info=error, extra={"task": view.task_id})
        raise MCPError(code=INTERNAL_ERROR, message=INVALID_RESULT) from None
    return result


async def shaped_result(
    service: TaskService, view: TaskView, version: str, ctx: Context, missing: JsonObject | None = None
) -> JsonObject:
    """The task's result, in the shape that the given protocol version has for it.

    Of a tool's result that is larger than the request allows it is a link, where the version has links.

    Args:
        ctx: the request that it is for.
        missing: what the version requires and no task records.
    """
    most = max_result_bytes_of(ctx)
    can_be_linked = (
        service.settings.max_result_piece_bytes > 0
        and view.component.kind is ComponentKind.TOOL
        and is_version_at_least(version, HAS_RESOURCE_LINKS)
    )

    def shape(recorded: JsonObject) -> JsonObject:
        try:
            stored = {**COMPLETE, **(missing or {}), **recorded}
            return mcp_methods.serialize_server_result(METHOD_OF_KIND[view.component.kind], version, stored)
        except (ValueError, TypeError, RecursionError) as error:
            logger.error("the recorded result is not of this kind", exc_info=error, extra={"task": view.task_id})
            raise MCPError(code=INTERNAL_ERROR, message=INVALID_RESULT) from None

    if most is not None and view.result is not None and can_be_linked and view.result.size_bytes > most:
        return shape(_linked(view, view.result))
    return await stored_result(service, view, answer_of(ctx), shape)


def _linked(view: TaskView, record: ResultRecord) -> JsonObject:
    """A tool's result that says where the real one can be read in pieces."""
    link = {
        "type": "resource_link",
        "uri": f"task://{view.task_id}/result",
        "name": f"result of {view.component.name}",
        "mimeType": RESULT_MIME_TYPE,
        "size": record.size_bytes,
    }
    meta = {RESULT_PIECE_META: piece_meta(record, 0, 0)}
    return {"content": [link], "isError": view.is_tool_error, "_meta": meta}


def piece_meta(record: ResultRecord, offset: int, length: int) -> JsonObject:
    """What is said of a piece: where it stands, how long it is, how large the whole is, and what comes next."""
    meta: JsonObject = {"offset": offset, "length": length, "size": record.size_bytes, "sha256": record.sha256}
    end = offset + length
    return meta if end >= record.size_bytes else {**meta, "nextOffset": end}


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
        return None if text is None else pydantic_core.from_json(text, allow_inf_nan=False)
    except ValueError as error:
        logger.error("the recorded error's data cannot be told: %s", error, extra={"task": view.task_id})
        return None
