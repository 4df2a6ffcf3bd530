"""JSON texts inside what runners send: whether whoever asks for the task can be told them."""

from __future__ import annotations

import json
import re

_ESCAPED_BACKSLASH = re.compile(r"\\\\")
_HALF = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
"""Half of a surrogate pair without the other half, as JSON spells it."""


def has_half_characters(text: str) -> bool:
    """Whether a string in the JSON text has a lone surrogate, which no UTF-8 can carry. Takes milliseconds a MiB."""
    if "\\ud" not in text and "\\uD" not in text:
        return False
    return _HALF.search(_ESCAPED_BACKSLASH.sub("", text)) is not None


def is_json(text: str, kind: type = object) -> bool:
    """Whether the text is JSON of that Python type, without half characters, that is not nested too deeply to read."""
    try:
        return isinstance(json.loads(text, parse_constant=_no_json), kind) and not has_half_characters(text)
    except (ValueError, RecursionError):
        return False


def _no_json(name: str) -> None:
    """Python's parser takes NaN and Infinity, and no other one has to."""
    raise ValueError(name)
