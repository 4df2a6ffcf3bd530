"""Tasks as the watch cache keeps them: plain objects, of which a few facts are read without parsing the rest.

A replica holds thousands of tasks and is asked for a few of them. What a caller has sent is not kept: a few bytes of
JSON become many times as many in memory.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from pydantic_core import to_json

from mcptasks.kube.watch_cache import without_bookkeeping
from mcptasks.model.base import JsonObject, time_of
from mcptasks.model.task import TERMINAL_PHASES, McpTaskSpec
from mcptasks.tasks.owners import TaskOwner, owner_of

CACHED_RESULT_CHARACTERS = 4096
"""Longer results are read from the API server when somebody asks for them, so that thousands fit into memory."""

_DEFAULT_SERVER = str(McpTaskSpec.model_fields["server"].default)


PROGRESS_TOKEN = "progressToken"
MAX_PROGRESS_TOKEN_CHARACTERS = 1024

_SENT_BY_CALLERS = frozenset({"arguments", "argumentsText", "traceContext"})
_OF_PRINCIPALS = frozenset({"clientId", "issuer", "subject"})


class OwnerTotals(NamedTuple):
    """What the tasks of one owner come to."""

    unfinished: int = 0
    tasks: int = 0
    size_bytes: int = 0
    """Of the objects as JSON, and of the results that are kept outside of them."""


def cached(item: JsonObject) -> JsonObject:
    """The part of a task's object that is kept in memory.

    No bookkeeping of appliers, no log but where it is stored, no large result, and of the call only whose it is and how
    progress is told.
    """
    item = without_bookkeeping(item)
    item = {**item, "spec": _kept_of_spec(item["spec"])}
    status = item.get("status") or {}
    if "log" in status:
        status = {key: value for key, value in status.items() if key != "log"} | _kept_of_log(status["log"])
        item = {**item, "status": status}
    result = status.get("result") or {}
    if len(result.get("text") or "") <= CACHED_RESULT_CHARACTERS:
        return item
    kept = {key: value for key, value in result.items() if key != "text"}
    return {**item, "status": {**status, "result": kept}}


def _kept_of_log(log: JsonObject) -> JsonObject:
    kept = {key: log[key] for key in ("attempt", "stored") if key in log}
    return {"log": kept} if kept.get("stored") else {}


def _kept_of_spec(spec: JsonObject) -> JsonObject:
    kept = {key: value for key, value in spec.items() if key not in _SENT_BY_CALLERS}
    if (principal := spec.get("principal")) is not None:
        kept["principal"] = {key: value for key, value in principal.items() if key in _OF_PRINCIPALS}
    if (request := spec.get("request")) is not None:
        kept["request"] = _kept_of_request(request)
    return kept


def _kept_of_request(request: JsonObject) -> JsonObject:
    kept = {key: value for key, value in request.items() if key == "protocolVersion"}
    meta = request.get("meta")
    token = meta.get(PROGRESS_TOKEN) if isinstance(meta, dict) else None
    if isinstance(token, int) or (isinstance(token, str) and len(token) <= MAX_PROGRESS_TOKEN_CHARACTERS):
        kept["meta"] = {PROGRESS_TOKEN: token}
    return kept


def server_of(item: JsonObject) -> str:
    """The name of the server that the task belongs to."""
    return str(item["spec"].get("server", _DEFAULT_SERVER))


def has_ended(item: JsonObject) -> bool:
    """Whether the task is in a terminal phase."""
    return (item.get("status") or {}).get("phase") in TERMINAL_PHASES


def expiry_of(item: JsonObject) -> datetime | None:
    """When the task and its result are removed; None for one that has not ended."""
    expires = (item.get("status") or {}).get("expiresAt")
    return None if expires is None else time_of(expires)


def is_gone(item: JsonObject, now: datetime) -> bool:
    """Whether the task has expired or is being deleted: nobody sees it any more."""
    expires = expiry_of(item)
    return item["metadata"].get("deletionTimestamp") is not None or (expires is not None and expires <= now)


def group_of(item: JsonObject) -> tuple[str, TaskOwner | None]:
    """Of which server the task is, and whose: what the limits for one caller are about."""
    return server_of(item), owner_of(item)


def amounts_of(item: JsonObject) -> OwnerTotals:
    """What the task, as the API server has it, adds to the totals of its owner."""
    status = item.get("status") or {}
    records = (status.get("result") or {}, (status.get("log") or {}).get("stored") or {})
    outside = sum(record.get("sizeBytes") or 0 for record in records if record.get("ref"))
    return OwnerTotals(int(not has_ended(item)), 1, len(to_json(item)) + outside)
