"""Lines of a worker's log that tasks have printed: pure.

A worker's Pod runs many tasks, so each line that one of them prints begins with the task's name and the number of the
attempt: `[report-x5b2c7/1] text`. A line that is too long to be written at once comes in pieces, of which all but the
last have a `+` instead of the space: `[report-x5b2c7/1]+text`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_TAGGED = re.compile(r"\[([a-z0-9][-a-z0-9.]*)/([0-9]{1,9})\]([ +])", re.ASCII)

MAX_LINE_BYTES = 4096
"""As much as reaches a pipe in one piece, whoever else writes to it (PIPE_BUF of Linux)."""


@dataclass(frozen=True)
class TaskLine:
    """One line of a task's output, or a piece of one (`complete` is False for all but the last)."""

    task: str
    attempt: int
    text: str
    complete: bool = True

    @classmethod
    def parse(cls, line: str) -> TaskLine | None:
        """Read a line of a worker's log; None for one that is the worker's own."""
        found = _TAGGED.match(line)
        if found is None:
            return None
        return cls(found[1], int(found[2]), line[found.end() :], found[3] == " ")


def line_tag(task: str, attempt: int, *, complete: bool = True) -> str:
    """What a line of the task's begins with."""
    return f"[{task}/{attempt}]{' ' if complete else '+'}"


def lines_of_task(lines: Iterable[str], task: str, attempt: int | None = None) -> Iterator[str]:
    """What the task printed, without tags and with its pieces put together.

    Args:
        lines: a worker's log.
        attempt: this attempt's lines only; None: all of them.
    """
    begun = ""
    for line in lines:
        found = TaskLine.parse(line)
        if found is None or found.task != task or attempt not in (None, found.attempt):
            continue
        if found.complete:
            yield begun + found.text
        begun = "" if found.complete else begun + found.text
    if begun:
        yield begun
