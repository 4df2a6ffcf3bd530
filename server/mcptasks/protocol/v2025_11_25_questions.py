"""A task's questions in 2025-11-25: the server sends requests on a stream, and the client answers with a POST.

The id of such a request names the task and the question, so that any replica knows what a response answers. A question
has the same id on every stream and each time it is sent; its first answer counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from mcp_types import INTERNAL_ERROR, ClientCapabilities
from mcp_types import methods as mcp_methods
from pydantic import ValidationError

from mcptasks.model.base import JsonObject
from mcptasks.model.excerpts import without_middle
from mcptasks.model.questions import MAX_ANSWER_BYTES, Answer
from mcptasks.model.task import MAX_STATUS_MESSAGE, InputRequest, TaskError
from mcptasks.protocol.input_requests import answer_text, missing_capability, params_of

RELATED_TASK_KEY = "io.modelcontextprotocol/related-task"
ID_PREFIX = "task:"

_INT32 = range(-(2**31), 2**31)


@dataclass(frozen=True)
class Asked:
    """What a response answers."""

    task_id: str
    key: str

    @property
    def request_id(self) -> str:
        return f"{ID_PREFIX}{self.task_id}:{self.key}"


def asked_with(request_id: object) -> Asked | None:
    """What was asked with a request of this id; None where the id is not one of ours."""
    if not isinstance(request_id, str) or not request_id.startswith(ID_PREFIX):
        return None
    task_id, colon, key = request_id.removeprefix(ID_PREFIX).partition(":")
    return Asked(task_id, key) if task_id and colon and key else None


def related_task(task_id: str) -> JsonObject:
    """`_meta` of what belongs to a task."""
    return {RELATED_TASK_KEY: {"taskId": task_id}}


def can_be_asked(declared: ClientCapabilities | None, request: InputRequest, version: str) -> bool:
    """Whether the client has declared that it answers this (MUST), and the protocol version can say it."""
    params = params_of(request)
    if declared is None or missing_capability(declared, request.method, params) is not None:
        return False
    try:
        mcp_methods.parse_server_request(request.method, version, params)
    except (KeyError, ValidationError):
        return False
    return True


def request_message(task_id: str, request: InputRequest) -> JsonObject:
    """The JSON-RPC request that puts a task's question."""
    params = params_of(request)
    meta = params.get("_meta")
    params["_meta"] = {**(meta if isinstance(meta, dict) else {}), **related_task(task_id)}
    asked = Asked(task_id, request.key)
    return {"jsonrpc": "2.0", "id": asked.request_id, "method": request.method, "params": params}


def answer_in(request: InputRequest, response: Mapping[str, object]) -> Answer:
    """The answer in a JSON-RPC response. Raises MCPError where its result does not answer the request."""
    error = response.get("error")
    if error is not None:
        return Answer(error=_error(error if isinstance(error, dict) else {}))
    result = response.get("result")
    return Answer(answer_text(request, _without_related_task(result) if isinstance(result, dict) else result))


def _without_related_task(result: JsonObject) -> JsonObject:
    meta = result.get("_meta")
    if not isinstance(meta, dict):
        return result
    kept = {key: value for key, value in meta.items() if key != RELATED_TASK_KEY}
    bare = {key: value for key, value in result.items() if key != "_meta"}
    return {**bare, "_meta": kept} if kept else bare


def _error(error: JsonObject) -> TaskError:
    code, message, data = error.get("code"), error.get("message"), error.get("data")
    data_text = None if data is None else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    if data_text is not None and len(data_text.encode()) > MAX_ANSWER_BYTES:
        data_text = None
    return TaskError(
        code=code if isinstance(code, int) and code in _INT32 else INTERNAL_ERROR,
        message=without_middle(str(message or "the client could not answer"), MAX_STATUS_MESSAGE),
        data_text=data_text,
    )
