"""JSON text that is cut into its members without being parsed: parsed, it may take fifty times as much memory."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import accumulate

MAX_MEMBERS = 32

STRING = r'"(?:[^"\\\x00-\x1f]++|\\[^\x00-\x1f])*+"'
_WINDOW = re.compile(rf'(?:[^"\x00-\x1f]{{1,1000}}+|{STRING}){{1,500}}+')
"""A part of the text that ends in no string; not too long, since a regular expression holds the interpreter's lock."""

_TOKEN = re.compile(rf"{STRING}|[][{{}},:]")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}
_AS_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))


class NotCompactJsonError(ValueError):
    """The text cannot be cut: its brackets do not match, or it has line breaks or other control characters."""


@dataclass(frozen=True)
class Member:
    """One member of an object: its name, as it stands there, and where its value is in the text, without spaces."""

    name: str
    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


def members(text: str) -> list[Member]:
    """The members of the object that the whole text is.

    What is within them is only looked at as far as it takes to be sure that it ends there: text that is put in the
    place of such a value cannot break out of it, whatever it is.

    Raises NotCompactJsonError.
    """
    cutter = _Cutter(text)
    position = 0
    while position < len(text):
        window = _WINDOW.match(text, position)
        if window is None:
            raise NotCompactJsonError(f"a string or a control character at {position} does not end")
        cutter.take(position, window.end())
        position = window.end()
    if cutter.depth != 0 or not text.startswith("{"):
        raise NotCompactJsonError("it ends too early")
    return cutter.found


@dataclass
class _Cutter:
    text: str
    depth: int = 0
    found: list[Member] = field(default_factory=list)
    _name: str = ""
    _start: int | None = None

    def take(self, start: int, end: int) -> None:
        """The next window."""
        steps = memoryview(_brackets(self.text[start:end]).translate(_AS_STEPS)).cast("b")
        if min(accumulate(steps, initial=self.depth)) > 1:
            self.depth += sum(steps)
            return
        for token in _TOKEN.finditer(self.text, start, end):
            self._token(token.group(), token.start(), token.end())

    def _token(self, token: str, start: int, end: int) -> None:
        if self.depth == 0 and (token != "{" or start != 0):
            raise NotCompactJsonError("it is no object, or goes on after its end")
        if self.depth == 1 and token in ",}":
            self._end_member(start)
        elif self.depth == 1 and token == ":" and self._start is None:
            self._start = end
        elif self.depth == 1 and self._start is None:
            self._name = token[1:-1]
        self.depth += _STEPS.get(token, 0)

    def _end_member(self, end: int) -> None:
        if self._start is not None:
            value = self.text[self._start : end]
            start, end = end - len(value.lstrip(" ")), self._start + len(value.rstrip(" "))
            self.found.append(Member(self._name, start, max(start, end)))
            self._start = None
        if len(self.found) > MAX_MEMBERS:
            raise NotCompactJsonError(f"it has more than {MAX_MEMBERS} members")


def _brackets(text: str) -> bytes:
    """The brackets of the text that are in none of its strings."""
    bare = text.replace(r"\\", "").replace(r"\"", "").split('"')[::2]
    return "".join(bare).encode("utf-8", "replace").translate(None, _NO_BRACKETS)
