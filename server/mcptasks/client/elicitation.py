"""What a server asks the user in the middle of a call, and the user's answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from mcptasks.model.base import JsonObject


@dataclass(frozen=True)
class RequestedInput:
    """One question of a server, as it came over the wire: `method` is usually `elicitation/create`."""

    key: str
    method: str
    params: JsonObject = field(default_factory=dict)

    @classmethod
    def parse_all(cls, requests: object) -> tuple[RequestedInput, ...]:
        """The questions in a map by key; none where the value is not a map."""
        items = requests.items() if isinstance(requests, dict) else ()
        return tuple(cls(key, str(item.get("method")), item.get("params") or {}) for key, item in items)


@dataclass(frozen=True)
class Elicitation:
    """A question to the user.

    Args:
        message: what is asked, for people.
        schema: JSON schema of the answer: an object of primitive properties. Empty where a URL is to be visited.
        url: the page that the user is to visit instead of answering here.
        task_id: the task that asks; None for a call that is not a task, or where the server does not tell.
    """

    message: str
    schema: JsonObject = field(default_factory=dict)
    url: str | None = None
    task_id: str | None = None


@dataclass(frozen=True)
class Reply:
    """The user's reaction: `accept` with the content, `decline`, or `cancel` (closed without choosing)."""

    action: Literal["accept", "decline", "cancel"]
    content: JsonObject | None = None


ElicitationHandler: TypeAlias = Callable[[Elicitation], Awaitable[Reply | JsonObject] | Reply | JsonObject]
"""Asks the user. An object stands for a `Reply` that accepts with that content."""
