"""A task and its progress as the server last described them, in the words of neither protocol version."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from mcptasks.client.client_errors import McpError
from mcptasks.client.elicitation import RequestedInput
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Phase

DEFAULT_POLL_SECONDS = 1.0
MIN_POLL_SECONDS = 0.01
"""A server that asks for polling without a pause gets this one."""


@dataclass(frozen=True)
class CallProgress:
    """How far a call is, in the tool's own unit, as far as the server tells."""

    current: float | None = None
    total: float | None = None
    message: str | None = None


ProgressCallback: TypeAlias = Callable[[CallProgress], Awaitable[None] | None]


@dataclass(frozen=True)
class TaskState:
    """A task as the server last described it. Times are RFC 3339.

    `result`, `error` and `input_requests` are there only where the protocol version gives them with the state.
    """

    task_id: str
    status: Phase
    message: str | None = None
    progress: CallProgress | None = None
    created_at: str | None = None
    last_updated_at: str | None = None
    ttl_ms: int | None = None
    poll_interval_ms: int | None = None
    result: JsonObject | None = None
    error: McpError | None = None
    input_requests: tuple[RequestedInput, ...] = ()

    @property
    def poll_seconds(self) -> float:
        """How long the server asks to wait between two polls."""
        if self.poll_interval_ms is None:
            return DEFAULT_POLL_SECONDS
        return max(self.poll_interval_ms / 1000, MIN_POLL_SECONDS)

    @property
    def visible(self) -> tuple[object, ...]:
        """What somebody who watches would call a change."""
        return self.status, self.message, self.progress


async def report_progress(on_progress: ProgressCallback | None, progress: CallProgress) -> None:
    """Call a progress callback, be it synchronous or asynchronous."""
    if on_progress is not None:
        outcome = on_progress(progress)
        if inspect.isawaitable(outcome):
            await outcome
