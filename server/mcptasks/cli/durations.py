"""Durations as people write them: `90`, `500ms`, `10m`, `1h30m`."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_PART = r"(\d+(?:\.\d+)?)(ms|s|m|h|d)"


def parse_duration(text: str) -> timedelta:
    """The duration; a bare number is seconds.

    Raises:
        ValueError: the text is not a duration. The message shows how to write one.
    """
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return timedelta(seconds=float(text))
    if re.fullmatch(f"(?:{_PART})+", text):
        return sum((float(number) * _UNITS[unit] for number, unit in re.findall(_PART, text)), timedelta())
    raise ValueError(f"{text!r} is not a duration: write one like 90s, 10m or 1h30m")
