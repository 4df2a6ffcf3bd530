"""Text that is too long for where it goes: what is cut away is marked, and is never the end.

The end of a log, of an error or of a line has what happened last.
"""

from __future__ import annotations

import re

SHORT = 200
"""Up to this many characters a mark does not say how many are left out: it would take most of the room."""


def without_middle(text: str, limit: int) -> str:
    """The text in at most `limit` characters: its first third and its end, and between them how many are left out."""
    if len(text) <= limit:
        return text
    mark = _mark(len(text) - limit, limit)
    kept = limit - len(mark)
    if kept <= 0:
        return text[len(text) - limit :]
    head = kept // 3
    return f"{text[:head]}{mark}{text[len(text) - (kept - head) :]}"


def without_start(text: str, limit: int) -> str:
    """The text's end in at most `limit` characters, after how many are left out."""
    if len(text) <= limit:
        return text
    mark = _mark(len(text) - limit, limit).lstrip()
    kept = limit - len(mark)
    return text[len(text) - limit :] if kept <= 0 else mark + text[len(text) - kept :]


def lines_of(text: str) -> list[str]:
    """The lines of what a program printed, without those that are empty.

    A carriage return ends a line too: a progress bar writes itself over and over with it.
    """
    return [line for line in re.split(r"[\r\n]+", text) if line]


def _mark(dropped: int, limit: int) -> str:
    if limit <= SHORT:
        return " ... "
    # The mark itself takes room, so the count is a few characters too low.
    return f" ... [{dropped} characters left out] ... "
