"""Fields of task objects and notifications that both protocol versions spell alike: phase and progress."""

from __future__ import annotations

from mcptasks.client.client_errors import ClientError
from mcptasks.client.task_state import CallProgress
from mcptasks.model.base import JsonObject
from mcptasks.model.progress_text import progress_text
from mcptasks.model.task import Phase
from mcptasks.protocol.versions import PROGRESS_META


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
