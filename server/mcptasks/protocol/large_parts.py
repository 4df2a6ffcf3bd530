"""The large parts of a stored result: found in its text, and left out of what is parsed.

What is left is small whatever the result is, so a client's answer takes hardly more memory than its text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mcptasks.protocol.raw_json import STRING, Member, NotCompactJsonError, members
from mcptasks.settings import KIB, MIB

LARGE_BYTES = 32 * KIB
"""A part from this size on is left out."""

MAX_META_BYTES = MIB
"""Up to this size `_meta` with any number of members is parsed, where none of them is large by itself."""

_SHORT = r'"(?:[^"\\\x00-\x1f]{1,1000}+|\\[^\x00-\x1f]){0,32}+"'
_SHORT_ONES = re.compile(rf'(?:[^"\x00-\x1f]{{1,1000}}+|{_SHORT}){{1,500}}+')
_STRING = re.compile(STRING)


@dataclass(frozen=True)
class Place:
    """What stands in a part's place: JSON text with a token in it, `depth` objects deep."""

    text: str
    depth: int


VALUE = Place('"%s"', 0)
_STRUCTURED = Place('{"%s":0}', 1)
_LISTS: Mapping[str, Place] = {
    "content": Place('{"type":"text","text":"%s"}', 1),
    "messages": Place('{"role":"user","content":{"type":"text","text":"%s"}}', 2),
    "contents": Place('{"uri":"mcptasks://left-out","text":"%s"}', 1),
}
"""The lists of all results, and an entry that each may have."""

_OTHERS = frozenset({"structuredContent", "isError", "description", "_meta"})


@dataclass(frozen=True)
class LargePart:
    """A part of the text; without a place it is something that no protocol version has, and is dropped."""

    start: int
    end: int
    place: Place | None = VALUE

    @property
    def size(self) -> int:
        return self.end - self.start


def large_parts(text: str) -> list[LargePart]:
    """The large parts of the object that the text is, in order. Raises NotCompactJsonError."""
    return [part for member in members(text) if member.size > LARGE_BYTES for part in _parts(text, member)]


def left_of(text: str, parts: Sequence[LargePart], hold: Callable[[str, int], str]) -> str:
    """The text without the parts; `hold` takes each, with the depth of its token, and gives the token."""
    kept, end = [], 0
    for part in parts:
        place, cut = part.place, text[part.start : part.end]
        kept += [text[end : part.start], "null" if place is None else place.text % hold(cut, place.depth)]
        end = part.end
    return "".join([*kept, text[end:]])


def _parts(text: str, member: Member) -> Iterable[LargePart]:
    first, whole = text[member.start], LargePart(member.start, member.end)
    if member.name in _LISTS and first == "[":
        return _parts_of_list(text, member, _LISTS[member.name])
    if member.name == "structuredContent" and first == "{":
        return [LargePart(whole.start, whole.end, _STRUCTURED)]
    if member.name == "_meta" and first == "{":
        return _parts_of_meta(text, member)
    return [whole if member.name in _OTHERS or member.name in _LISTS else LargePart(whole.start, whole.end, None)]


def _parts_of_list(text: str, member: Member, entry: Place) -> list[LargePart]:
    """Its large strings, or all of its entries where it is large without them."""
    strings = list(_large_strings(text, member.start, member.end))
    if member.size - sum(part.size for part in strings) <= LARGE_BYTES:
        return strings
    return [LargePart(member.start + 1, member.end - 1, entry)]


def _parts_of_meta(text: str, member: Member) -> list[LargePart]:
    """Its large values; what the protocol adds to it stands beside them."""
    try:
        found = members(text[member.start : member.end])
    except NotCompactJsonError:
        if member.size > MAX_META_BYTES:
            raise
        return []
    large = [each for each in found if each.size > LARGE_BYTES]
    return [LargePart(member.start + each.start, member.start + each.end) for each in large]


def _large_strings(text: str, start: int, end: int) -> Iterator[LargePart]:
    while start < end:
        passed = _SHORT_ONES.match(text, start, end)
        start = start if passed is None else passed.end()
        string = _STRING.match(text, start, end)
        if string is not None:
            start = string.end()
            if start - string.start() > LARGE_BYTES:
                yield LargePart(string.start(), start)
        elif passed is None:
            raise NotCompactJsonError(f"a string or a control character at {start} does not end")
