"""Colours in the terminal: few, and readable on a light and on a dark background."""

from __future__ import annotations

import os
import re
from typing import TextIO

import typer

PHASE_COLOURS = {
    "working": "cyan",
    "input_required": "magenta",
    "completed": "green",
    "failed": "red",
    "cancelled": "reset",
}
"""None of the bright ones: on a light background they are pale, and Solarized has greys for most of them."""

_PHASE = re.compile(rf"(?<![\w-])({'|'.join(PHASE_COLOURS)})(?![\w-])")

_TASK_ID = re.compile(r"^\[[a-z0-9][a-z0-9.-]*\]")


def has_colours(stream: TextIO) -> bool:
    """Whether what goes there is seen in colour: on a terminal that has some, unless NO_COLOR is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def coloured(text: str, colour: str, stream: TextIO) -> str:
    """The text in that colour, for standard output or standard error; as it is where that has none."""
    return typer.style(text, fg=colour) if has_colours(stream) else text


def with_phases(line: str, stream: TextIO) -> str:
    """The line, the first phase of a task in it coloured."""
    return _PHASE.sub(lambda found: coloured(found[0], PHASE_COLOURS[found[0]], stream), line, count=1)


def with_task_id(line: str, stream: TextIO) -> str:
    """The line, the id of a task at its beginning in brackets coloured."""
    return _TASK_ID.sub(lambda found: coloured(found[0], "cyan", stream), line, count=1)
