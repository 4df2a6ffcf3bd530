"""Fields of task objects and notifications that both protocol versions spell alike."""

from __future__ import annotations

from mcptasks.client.client_errors import ClientError
from mcptasks.client.task_state import CallProgress, TaskState
from mcptasks.model.base import JsonObject
from mcptasks.model.progress_text import progress_text
from mcptasks.model.task import Phase
from mcptasks.protocol.versions import PROGRESS_META


def task_state(item: JsonObject, *, ttl_ms: int | None, poll_interval_ms: int | None) -> TaskState:
    """The state that a task object describes; the versions have names of their own for the two durations.

    Raises:
        ClientError: the object has no id, or a status that no protocol version has.
    """
    if not isinstance(item.get("taskId"), str):
        raise ClientError("the server answered with a task that has no id")
    return TaskState(
        task_id=item["taskId"],
        status=parse_phase(item.get("status")),
        message=item.get("statusMessage"),
        progress=progress_of(item),
        created_at=item.get("createdAt"),
        last_updated_at=item.get("lastUpdatedAt"),
        ttl_ms=ttl_ms,
        poll_interval_ms=poll_interval_ms,
    )


def parse_phase(status: object) -> Phase:
    """The phase of a status word. Raises ClientError for one that no protocol version has."""
    try:
        return Phase(str(status))
    except ValueError:
        raise ClientError(f"the server reports an unknown task status {status!r}") from None


def progress_of(item: JsonObject) -> CallProgress | None:
    """Progress of a task object: numbers where the server gives them, and the status message unless it repeats them."""
    numbers = (item.get("_meta") or {}).get(PROGRESS_META) or {}
    current, total = numbers.get("current"), numbers.get("total")
    message = numbers.get("message") or item.get("statusMessage")
    if not numbers and message is None:
        return None
    repeats = isinstance(current, int | float) and message == progress_text(current, total)
    return CallProgress(current, total, None if repeats else message)


def progress_in(message: JsonObject) -> CallProgress | None:
    """The progress that a message reports; None where it is not a progress notification."""
    if message.get("method") != "notifications/progress":
        return None
    params = message.get("params") or {}
    return CallProgress(params.get("progress"), params.get("total"), params.get("message"))
