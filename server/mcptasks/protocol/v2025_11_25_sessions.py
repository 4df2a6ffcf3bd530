"""What a 2025-11-25 client has declared at its handshake, for the requests that come after it.

No replica keeps sessions. The id that `initialize` gives out says itself which requests the client takes from a server,
and the client sends it with each of its requests. It proves nothing else.
"""

from __future__ import annotations

import secrets
from typing import Any

from mcptasks.model.base import JsonObject

HEADER = "mcp-session-id"

_FORMAT = "mct1"
_DECLARABLE = (
    "elicitation",
    "elicitation.form",
    "elicitation.url",
    "sampling",
    "sampling.context",
    "sampling.tools",
    "roots",
)
"""The client's capabilities that decide what it can be asked, as paths in `ClientCapabilities`."""


def new_session_id(capabilities: object) -> str:
    """An id for a client that has declared these capabilities."""
    declared = [path for path in _DECLARABLE if _has(capabilities, path)]
    return "_".join([_FORMAT, *declared, secrets.token_hex(16)])


def declared_by(session_id: str | None) -> JsonObject | None:
    """The capabilities (of those that matter here) that a session's client has declared; None where nobody knows."""
    head, *names = (session_id or "").split("_")
    if head != _FORMAT:
        return None
    capabilities: JsonObject = {}
    for name in names:
        if name in _DECLARABLE:
            _put(capabilities, name)
    return capabilities


def _has(capabilities: object, path: str) -> bool:
    found = capabilities
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return isinstance(found, dict)


def _put(capabilities: dict[str, Any], path: str) -> None:
    for part in path.split("."):
        capabilities = capabilities.setdefault(part, {})
