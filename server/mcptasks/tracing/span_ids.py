"""Ids of the spans that tell of a task's life. Pure.

They follow from the task's uid, so that whoever sends a span again, after a restart for example, sends the same one,
and the task's process knows the span above its own without being told.
"""

from __future__ import annotations

import hashlib

TASK = "task"


def span_id(uid: str, name: str = TASK) -> int:
    """The id of one of the task's spans: 64 bits, never 0, which W3C Trace Context forbids."""
    digest = hashlib.sha256(f"mcptasks.dev/{uid}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") or 1
