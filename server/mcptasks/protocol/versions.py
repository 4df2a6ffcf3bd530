"""The protocol versions with tasks: what tells them apart by name, and what our server and client add to them."""

from __future__ import annotations

from typing import Literal, TypeAlias

ProtocolChoice: TypeAlias = Literal["auto", "2026-07-28", "2025-11-25"]
"""A protocol version to speak; `auto` takes the newest that the server has."""

PROTOCOLS: tuple[ProtocolChoice, ...] = ("2025-11-25", "2026-07-28")
"""All of them, oldest first."""

TAKES_TTL: ProtocolChoice = "2025-11-25"
"""The version in which a caller may ask for a ttl; in the other one that is left to the server."""

HAS_TASKS_OF_ALL_KINDS: ProtocolChoice = "2025-11-25"
"""The version in which prompts and resources can run as tasks; the other one has tasks of tools alone."""

HAS_RESOURCE_LINKS = "2025-06-18"
"""The first version in which a tool's result may have links to resources."""

TASK_METHODS = frozenset({"tasks/get", "tasks/cancel", "tasks/result", "tasks/list", "tasks/update"})
"""The methods about tasks, those of all versions."""

POLLS = frozenset({"ping", "subscriptions/listen", "tasks/get", "tasks/list", "tasks/result"})
"""Methods by which clients ask and wait: of a task of an hour there may be thousands."""

COMPLETE = {"resultType": "complete"}
"""What marks a result as a call's last answer, where the version has such a mark; the SDK drops it where not."""

RESERVED_PREFIX = "io.modelcontextprotocol/"
"""Begins the keys of `_meta` that belong to the protocol and its extensions."""

PROGRESS_META = "mcptasks.dev/progress"
"""Key in a task's `_meta` for progress in numbers, which no protocol version has: both have a message only."""

RESULT_PIECE_META = "mcptasks.dev/result-piece"
"""Key in the `_meta` of a piece of a task's result: where it stands, and what there is besides."""

RESULT_MIME_TYPE = "application/json"
"""What a task's result is, and its pieces are parts of."""

MAX_RESULT_META = "mcptasks.dev/max-result-bytes"
"""Key in a request's `_meta`: a number of bytes. Of a tool's result that is larger, the answer has a link alone."""

IDEMPOTENCY_META = "mcptasks.dev/idempotency-key"
"""Key in a request's `_meta`: calls with the same value are one call, and one task."""

ENVELOPE = ("_meta", "resultType")
"""Keys of a result that belong to the protocol version, not to the tool."""
