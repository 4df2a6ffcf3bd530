"""How deep JSON nests, and JSON text without what nests too deep. Pure.

The API server takes 10,000 levels (seen on Kubernetes 1.36). Python's own parser gives up at about 1,000, and with it
every list and every watch that such an object is in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_READ_LEVELS = 200
"""Levels that are kept of what is read from the API server; below them it is cut where it has to be."""

MAX_SPEC_LEVELS = 128
"""Levels that a task's spec may have. Less than what is cut, so that no task runs with half of its arguments."""

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[{]|[\]}]', re.DOTALL)


def nests_deeper(value: object, levels: int) -> bool:
    """Whether a JSON value has objects or lists within each other on more than this number of levels."""
    level = _containers([value])
    for _ in range(levels):
        if not level:
            return False
        level = _containers(
            item for container in level for item in (container.values() if isinstance(container, dict) else container)
        )
    return bool(level)


def _containers(values: Iterable[object]) -> list[dict[str, object] | list[object]]:
    return [value for value in values if isinstance(value, dict | list)]


def may_nest_deeper(text: bytes, levels: int) -> bool:
    """Whether the JSON text can have more than this number of levels: cheap, and mostly no for a single object."""
    return text.count(b"{") + text.count(b"[") > levels


def cut(text: bytes, levels: int = MAX_READ_LEVELS) -> bytes:
    """The JSON text with null in the place of each object and list below this number of levels."""
    parts: list[bytes] = []
    depth = kept = 0
    for token in _TOKEN.finditer(text):
        at = token.start()
        if text[at] in b"[{":
            depth += 1
            if depth == levels + 1:
                parts.append(text[kept:at])
        elif text[at] in b"]}":
            if depth == levels + 1:
                parts.append(b"null")
                kept = token.end()
            depth -= 1
    return b"".join((*parts, text[kept:]))
