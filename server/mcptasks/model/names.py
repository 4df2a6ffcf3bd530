"""Names of Kubernetes objects, made so that they are valid, unguessable and of use to people."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets

RANDOM_CHARACTERS = 26
"""Base32 characters behind the readable part of a task's name: 130 random bits."""

READABLE_CHARACTERS = 24
MAX_TASK_NAME = 57
"""Longest name of a task: the Job has the same, and its Pods append a dash and five characters to at most 63."""

TEMPLATE_NAME_RULE = (
    "up to 253 lower-case letters, digits, `-` and `.`, with a letter or a digit at both ends and beside each dot"
)
"""What `is_template_name` asks for, in words."""

_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_DNS_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")


def task_name(component: str) -> str:
    """A new name for a task of the component, for example `report-x5b2...`: DNS-safe, 130 random bits."""
    return f"{_readable(component)}-{_base32(secrets.token_bytes(20))}"


def keyed_task_name(component: str, *parts: str) -> str:
    """The one name that belongs to these parts (principal, idempotency key): the same on every replica."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return f"{_readable(component)}-{_base32(digest)}"


def label_value(text: str) -> str:
    """The text as a label value: itself where that is allowed, otherwise a shortened form with a hash."""
    if len(text) <= 63 and _LABEL_VALUE.fullmatch(text):
        return text
    return f"{_readable(text)}-{_base32(hashlib.sha256(text.encode()).digest())[:12]}"


def is_task_name(text: str) -> bool:
    """Whether the text could be a task's name at all, so that nothing else reaches the API server's paths."""
    return len(text) <= 253 and re.fullmatch(r"[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?", text) is not None


def is_template_name(text: str) -> bool:
    """Whether a McpTaskTemplate can be called so: as most objects of Kubernetes, by a name of DNS (RFC 1123)."""
    return len(text) <= 253 and _DNS_NAME.fullmatch(text) is not None


def _readable(text: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower())[:READABLE_CHARACTERS].strip("-")
    return slug or "task"


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().lower().rstrip("=")[:RANDOM_CHARACTERS]
