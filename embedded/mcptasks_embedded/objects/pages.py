"""Lists in pages: what a page holds, and the token that continues after it."""

from __future__ import annotations

from dataclasses import dataclass

from mcptasks_embedded.store.memory import StoreEntry


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """The answer to a list request."""

    entries: list[StoreEntry]
    rv: int
    token: str = ""
    remaining: int | None = None
