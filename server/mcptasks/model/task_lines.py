"""Lines of a worker's log that tasks have printed: pure.

A worker's Pod runs many tasks, so each line that one of them prints begins with the task's name and the number of the
attempt: `[report-x5b2c7/1] text`. A line that is too long to be written at once comes in pieces, of which all but the
last have a `+` instead of the space: `[report-x5b2c7/1]+text`.

Where the log is of JSON objects, so are these lines. What the task prints as an object stays one, with an entry more:
`{"output_of":"report-x5b2c7/1",...}`. Other lines are `{"line_of":"report-x5b2c7/1","text":"..."}`, and pieces have
`piece_of` in its place.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field

_TAGGED = re.compile(r"\[([a-z0-9][-a-z0-9.]*)/([0-9]{1,9})\]([ +])", re.ASCII)
_JSON = re.compile(r'\{"(output|line|piece)_of":"([a-z0-9][-a-z0-9.]*)/([0-9]{1,9})",', re.ASCII)

MAX_LINE_BYTES = 4096
"""As much as reaches a pipe in one piece, whoever else writes to it (PIPE_BUF of Linux)."""


MAX_WHOLE_CHARACTERS = 1024 * 1024
"""A longer line is not put together from its pieces, and comes as several: nobody says that it will ever end."""


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
        if (found := _TAGGED.match(line)) is not None:
            return cls(found[1], int(found[2]), line[found.end() :], found[3] == " ")
        if (found := _JSON.match(line)) is not None:
            kind, task, attempt = found[1], found[2], int(found[3])
            if kind == "output":
                return cls(task, attempt, "{" + line[found.end() :])
            with suppress(ValueError, KeyError, TypeError):
                return cls(task, attempt, str(json.loads(line)["text"]), kind == "line")
        return None


def line_tag(task: str, attempt: int, *, complete: bool = True) -> str:
    """What a line of the task's begins with."""
    return f"[{task}/{attempt}]{' ' if complete else '+'}"


def json_tag(kind: str, task: str, attempt: int) -> str:
    """What an object of the kind `output`, `line` or `piece` begins with, which tells of the task."""
    return f'{{"{kind}_of":"{task}/{attempt}",'


@dataclass
class TaskLineReader:
    """Reads a worker's log as it comes. `attempt`: this one's lines only; None: those of all."""

    task: str
    attempt: int | None = None
    _begun: str = field(default="", init=False)

    def feed(self, line: str) -> str | None:
        """What the task has printed, once its line is whole, without tags; None for lines of others.

        A line of over `MAX_WHOLE_CHARACTERS` comes as several, each as soon as it is that long.
        """
        found = TaskLine.parse(line)
        if found is None or found.task != self.task or self.attempt not in (None, found.attempt):
            return None
        text, self._begun = self._begun + found.text, ""
        if found.complete or len(text) > MAX_WHOLE_CHARACTERS:
            return text
        self._begun = text
        return None

    def rest(self) -> str:
        """What has been begun of a line that does not end."""
        return self._begun
