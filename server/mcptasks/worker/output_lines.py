"""A task's output on its way to the worker's log: lines with the task's tag."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mcptasks.model.task_lines import MAX_LINE_BYTES, json_tag, line_tag

MOST_ESCAPED = 6
"""Characters that JSON needs for one byte at most."""


class LineTag(Protocol):
    """How a task's lines look in the log. `room` is how many bytes of a line may be in one piece."""

    @property
    def room(self) -> int: ...

    def whole(self, line: bytes) -> list[bytes]:
        """The lines of the log, without their ends, that a line, or the last piece of one, becomes."""
        ...

    def piece(self, part: bytes) -> list[bytes]:
        """Those that a piece of a line that goes on becomes."""
        ...


@dataclass(frozen=True)
class NoTag:
    """Nobody's lines, which stay as they are."""

    room: int = MAX_LINE_BYTES - 1

    def whole(self, line: bytes) -> list[bytes]:
        return [line]

    def piece(self, part: bytes) -> list[bytes]:
        return [part]


@dataclass(frozen=True)
class TextTag:
    """The task's name before each line."""

    task: str
    attempt: int

    @property
    def room(self) -> int:
        return MAX_LINE_BYTES - len(line_tag(self.task, self.attempt)) - 1

    def whole(self, line: bytes) -> list[bytes]:
        return [line_tag(self.task, self.attempt).encode() + line]

    def piece(self, part: bytes) -> list[bytes]:
        return [line_tag(self.task, self.attempt, complete=False).encode() + part]


@dataclass(frozen=True)
class JsonTag:
    """The task's name in each line, which is a JSON object whatever the task has printed."""

    task: str
    attempt: int

    @property
    def room(self) -> int:
        return MAX_LINE_BYTES - len(self._tag("output")) - 1

    def whole(self, line: bytes) -> list[bytes]:
        return [self._tag("output").encode() + line[1:]] if _is_filled_object(line) else self._text("line", line)

    def piece(self, part: bytes) -> list[bytes]:
        return self._text("piece", part)

    def _text(self, kind: str, part: bytes) -> list[bytes]:
        """One object, or several where what is escaped takes more room."""
        size = (MAX_LINE_BYTES - len(self._tag(kind)) - len('"text":""}') - 1) // MOST_ESCAPED
        *before, last = _cut(part, size) if len(part) > size else [part]
        return [*(self._object("piece", each) for each in before), self._object(kind, last)]

    def _object(self, kind: str, part: bytes) -> bytes:
        text = json.dumps(part.decode("utf-8", "replace"), ensure_ascii=False)
        return f'{self._tag(kind)}"text":{text}}}'.encode()

    def _tag(self, kind: str) -> str:
        return json_tag(kind, self.task, self.attempt)


def tag_of(log_format: str) -> Callable[[str, int], LineTag]:
    """How tasks' lines look in a log of this format (`human` or `json`)."""
    return JsonTag if log_format == "json" else TextTag


def _is_filled_object(line: bytes) -> bool:
    if not (line.startswith(b"{") and line.endswith(b"}")):
        return False
    try:
        return bool(json.loads(line))
    except ValueError:
        return False


def _cut(data: bytes, size: int) -> list[bytes]:
    """Parts of at most the given size, none of which ends within a character of UTF-8."""
    parts = []
    while len(data) > size:
        end = size
        while end > size - 4 and data[end] & 0xC0 == 0x80:
            end -= 1
        parts.append(data[:end])
        data = data[end:]
    return [*parts, data]


class LineTagger:
    """Makes lines of a log of a stream of bytes, with a tag once there is one.

    What has no line's end yet is kept until it has one, or is too long to wait.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._tag: LineTag = NoTag()

    def label(self, tag: LineTag) -> None:
        """Tag lines that end from now on."""
        self._tag = tag

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that the data completes, each with its end and no longer than `MAX_LINE_BYTES`."""
        *complete, rest = (self._rest + data).split(b"\n")
        lines = [piece for line in complete for piece in self._tagged(line)]
        *begun, self._rest = _cut(rest, self._tag.room)
        return [*lines, *self._pieces(begun)]

    def finish(self) -> list[bytes]:
        """What has come after the last line's end, as a line."""
        rest, self._rest = self._rest, b""
        return self._tagged(rest) if rest else []

    def _tagged(self, line: bytes) -> list[bytes]:
        *begun, last = _cut(line, self._tag.room)
        return [*self._pieces(begun), *(each + b"\n" for each in self._tag.whole(last))]

    def _pieces(self, parts: list[bytes]) -> list[bytes]:
        return [each + b"\n" for part in parts for each in self._tag.piece(part)]
