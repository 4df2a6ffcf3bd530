"""What a 2025-11-25 client has declared at its handshake, for the requests that come after it.

No replica keeps sessions. The id that `initialize` gives out says itself which requests the client takes from a server,
and the client sends it with each of its requests. No two clients get the same one, those of older versions included,
whose ids say nothing. It proves nothing else.
"""

from __future__ import annotations

import secrets
from string import hexdigits
from typing import Any

from mcptasks.model.base import JsonObject

HEADER = "mcp-session-id"
MAX_LENGTH = 256

_FORMAT = "mct1"
_SILENT_FORMAT = "mct0"
_NUMBER_BYTES = 16
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
    return "_".join([_FORMAT, *declared, _number()])


def silent_session_id() -> str:
    """An id that tells a client from all others and says nothing else: for versions whose clients are not asked."""
    return f"{_SILENT_FORMAT}_{_number()}"


def is_session_id(session_id: str | None) -> bool:
    """Whether it has the form of the ids that are given out here, of which no two are the same."""
    if session_id is None or len(session_id) > MAX_LENGTH:
        return False
    head, *rest = session_id.split("_")
    number = rest[-1] if rest else ""
    return head in (_FORMAT, _SILENT_FORMAT) and len(number) == 2 * _NUMBER_BYTES and set(number) <= set(hexdigits)


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


def _number() -> str:
    return secrets.token_hex(_NUMBER_BYTES)


def _has(capabilities: object, path: str) -> bool:
    found = capabilities
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return isinstance(found, dict)


def _put(capabilities: dict[str, Any], path: str) -> None:
    for part in path.split("."):
        capabilities = capabilities.setdefault(part, {})
