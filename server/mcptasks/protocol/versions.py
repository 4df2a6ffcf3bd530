"""The protocol versions with tasks, and the keys by which our server and client say more than they have."""

from __future__ import annotations

from typing import Literal, TypeAlias

ProtocolChoice: TypeAlias = Literal["auto", "2026-07-28", "2025-11-25"]
"""A protocol version to speak; `auto` takes the newest that the server has."""

PROTOCOLS: tuple[ProtocolChoice, ...] = ("2025-11-25", "2026-07-28")
"""All of them, oldest first."""

TAKES_TTL: ProtocolChoice = "2025-11-25"
"""The version in which a caller may ask for a ttl; in the other one that is left to the server."""

PROGRESS_META = "mcptasks.dev/progress"
"""Key in a task's `_meta` for progress in numbers, which no protocol version has: both have a message only."""

IDEMPOTENCY_META = "mcptasks.dev/idempotency-key"
"""Key in a request's `_meta`: calls with the same value are one call, and one task."""

ENVELOPE = ("_meta", "resultType")
"""Keys of a result that belong to the protocol version, not to the tool."""
