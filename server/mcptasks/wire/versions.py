"""The protocol versions with tasks, for code that lets a user choose one."""

from __future__ import annotations

from typing import Literal, TypeAlias

ProtocolChoice: TypeAlias = Literal["auto", "2026-07-28", "2025-11-25"]
"""A protocol version to speak; `auto` takes the newest that the server has."""

PROTOCOLS: tuple[ProtocolChoice, ...] = ("2025-11-25", "2026-07-28")
"""All of them, oldest first."""

TAKES_TTL: ProtocolChoice = "2025-11-25"
"""The version in which a caller may ask for a ttl; in the other one that is left to the server."""

ENVELOPE = ("_meta", "resultType")
"""Keys of a result that belong to the protocol version, not to the tool."""
