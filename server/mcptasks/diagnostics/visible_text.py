"""Text of others made harmless for terminals and logs: what would be obeyed there is shown.

Escape sequences colour, move the cursor, set the title and, on some terminals, type; a carriage return hides what came
before it; bidirectional controls turn the order of what follows round (CVE-2021-42574). kubectl and GitHub's `gh`
show control characters in caret notation too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

_OBEYED = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
"""Control characters but tab and newline, separators of lines, bidirectional controls, and halves of surrogate pairs,
which no stream takes."""

_IN_TEXT = re.compile(f"[{_OBEYED}]")
_IN_LINE = re.compile(f"[{_OBEYED}\\n]")
_IN_JSON = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Those that JSON lets through."""

_DELETE = 0x7F


def visible(text: str) -> str:
    """The text with its lines as they are, and shown what a terminal would obey: `^[` for an escape, `\\u202e`."""
    return _IN_TEXT.sub(_shown, text)


def visible_line(text: str) -> str:
    """The text as one line, line breaks shown as `\\n`."""
    return _IN_LINE.sub(_shown, text)


def visible_json(
    value: object,
    *,
    indent: int | None = None,
    sort_keys: bool = False,
    default: Callable[[object], object] | None = None,
) -> str:
    """The value as JSON that means the same, with escapes for what a terminal would obey."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, sort_keys=sort_keys, default=default)
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def has_controls(text: str) -> bool:
    """Whether a terminal would obey something in the text."""
    return _IN_TEXT.search(text) is not None


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    if found[0] == "\n":
        return "\\n"
    if code == _DELETE:
        return "^?"
    if code < 0x20:
        return f"^{chr(code + 0x40)}"
    return f"\\u{code:04x}"
