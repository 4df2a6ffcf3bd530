"""Tasks as the watch cache keeps them: plain objects, of which a few facts are read without parsing the rest.

A replica holds thousands of tasks and is asked for a few of them.
"""

from __future__ import annotations

from datetime import datetime

from mcptasks.kube.watch_cache import without_bookkeeping
from mcptasks.model.base import JsonObject
from mcptasks.model.task import TERMINAL_PHASES, McpTaskSpec
from mcptasks.tasks.owners import TaskOwner, owner_of

CACHED_RESULT_CHARACTERS = 4096
"""Longer results are read from the API server when somebody asks for them, so that thousands fit into memory."""

_DEFAULT_SERVER = str(McpTaskSpec.model_fields["server"].default)


def cached(item: JsonObject) -> JsonObject:
    """The part of a task's object that is kept in memory: no bookkeeping of appliers, no large result."""
    item = without_bookkeeping(item)
    status = item.get("status") or {}
    result = status.get("result") or {}
    if len(result.get("text") or "") <= CACHED_RESULT_CHARACTERS:
        return item
    kept = {key: value for key, value in result.items() if key != "text"}
    return {**item, "status": {**status, "result": kept}}


def server_of(item: JsonObject) -> str:
    """The name of the server that the task belongs to."""
    return str(item["spec"].get("server", _DEFAULT_SERVER))


def has_ended(item: JsonObject) -> bool:
    """Whether the task is in a terminal phase."""
    return (item.get("status") or {}).get("phase") in TERMINAL_PHASES


def is_gone(item: JsonObject, now: datetime) -> bool:
    """Whether the task has expired or is being deleted: nobody sees it any more."""
    expires = (item.get("status") or {}).get("expiresAt")
    return item["metadata"].get("deletionTimestamp") is not None or (
        expires is not None and datetime.fromisoformat(expires) <= now
    )


def unfinished_owner(item: JsonObject) -> tuple[str, TaskOwner | None] | None:
    """Whose task it is, and of which server, while it has not ended: what the limit for one caller counts."""
    return None if has_ended(item) else (server_of(item), owner_of(item))
