"""Output of which the beginning and the end are kept, within a limit of bytes: pure.

The end has what happened last, so it is what is kept of most; the beginning says how it was started. Where something is
missing between them, a line says how much.
"""

from __future__ import annotations

import re
from collections import deque

LINE_END = re.compile(rb"\r\n|[\r\n]")
"""Bars of progress are drawn with `\\r` alone."""

HEAD_SHARE = 4
"""The beginning gets a quarter of the limit."""

PIECE_BYTES = 4096
"""Smaller pieces are put together: each takes as much again for itself."""

MARK_BYTES = 64
"""Room for the line that says what is left out."""


class BoundedOutput:
    """Takes output as it comes, and keeps its first and last bytes."""

    def __init__(self, tail: int, head: int = 0) -> None:
        """Keep the last `tail` bytes and the first `head`. Without a `head` nothing says what is missing before."""
        self._tail_size = tail
        self._head_size = head
        self._head = bytearray()
        self._chunks: deque[bytearray] = deque()
        self._held = 0
        self._dropped_bytes = 0
        self._dropped_lines = 0
        self._last_dropped = b"\n"

    @classmethod
    def within(cls, size: int) -> BoundedOutput:
        """One whose text takes at most `size` bytes, the line about what is left out included."""
        head = size // HEAD_SHARE
        return cls(max(size - head - MARK_BYTES, 1), head)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has come."""
        return not self._head and not self._held

    def add(self, data: bytes) -> None:
        """Take what comes next."""
        room = self._head_size - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if not data:
            return
        if self._chunks and len(self._chunks[-1]) + len(data) <= PIECE_BYTES:
            self._chunks[-1] += data
        else:
            self._chunks.append(bytearray(data))
        self._held += len(data)
        while self._held - len(self._chunks[0]) >= self._tail_size:
            dropped = self._chunks.popleft()
            self._held -= len(dropped)
            self._drop(dropped)

    def _drop(self, data: bytes | bytearray) -> None:
        self._dropped_bytes += len(data)
        self._dropped_lines += data.count(b"\n")
        self._last_dropped = bytes(data[-1:]) or self._last_dropped

    def text(self) -> str:
        """What is kept, as text: whole lines where there are any."""
        held = b"".join(self._chunks)
        if len(held) > self._tail_size:
            self._drop(held[: -self._tail_size])
            held = held[-self._tail_size :]
            self._chunks, self._held = deque([bytearray(held)]), len(held)
        if not self._dropped_bytes:
            return bytes(self._head + held).decode("utf-8", "replace")
        end, lines, size = self._whole_lines(held)
        return (self._beginning(lines, size) if self._head_size else "") + end

    def _whole_lines(self, held: bytes) -> tuple[str, int, int]:
        """The end from the beginning of a line on; how many lines and bytes are missing before it."""
        lines, size = self._dropped_lines, self._dropped_bytes
        if self._last_dropped not in (b"\n", b"\r"):
            end = LINE_END.search(held)
            # The last line stays, however long it is.
            if end is not None and end.end() < len(held):
                held, lines, size = held[end.end() :], lines + 1, size + end.end()
        return held.decode("utf-8", "replace"), lines, size

    def _beginning(self, lines: int, size: int) -> str:
        """The first lines, and the one that says what is left out after them."""
        whole, newline, begun = bytes(self._head).rpartition(b"\n")
        if newline:
            size += len(begun)
            shown = whole.decode("utf-8", "replace") + "\n"
        else:
            shown = begun.decode("utf-8", "ignore") + "\n"
        left_out = _counted(lines, "line") if lines else _counted(size, "byte")
        return f"{shown}… {left_out} left out …\n"


def within_bytes(text: str, size: int) -> str:
    """The text in at most `size` bytes of UTF-8, as `BoundedOutput` keeps it."""
    data = text.encode("utf-8", "replace")
    if len(data) <= size:
        return text
    kept = BoundedOutput.within(size)
    kept.add(data)
    return kept.text()


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
