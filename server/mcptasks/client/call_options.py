"""What a caller can ask of a call besides its arguments."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeAlias, TypedDict

from mcptasks.client.task_state import ProgressCallback

Milliseconds: TypeAlias = int


class CallOptions(TypedDict, total=False):
    """Options of calls of tools, prompts and resources."""

    ttl: timedelta | Milliseconds | None
    """How long the task can be read, from its creation. The newer protocol version leaves that to the
    server."""

    on_progress: ProgressCallback | None
    """Called with progress, while somebody waits."""

    idempotency_key: str | None
    """Makes it safe to repeat a call that becomes a task: mcptasks servers answer with the task of the first call that
    had this key; best a UUID. Other servers ignore it."""


def milliseconds(ttl: timedelta | Milliseconds | None) -> Milliseconds | None:
    """The ttl as it goes over the wire."""
    return round(ttl / timedelta(milliseconds=1)) if isinstance(ttl, timedelta) else ttl
