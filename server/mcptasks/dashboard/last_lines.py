"""The end of a text that comes line by line. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass
class LastLines:
    """Keeps the last lines, so many and of so many bytes of UTF-8 together at most; of a longer line its end."""

    most: int
    most_bytes: int
    _lines: deque[str] = field(default_factory=deque)
    _held: int = 0

    def add(self, line: str) -> None:
        """Take in the next line."""
        line = _end_of(line, self.most_bytes)
        self._lines.append(line)
        self._held += utf8_bytes(line)
        while len(self._lines) > self.most or self._held > self.most_bytes:
            self._held -= utf8_bytes(self._lines.popleft())

    def all(self) -> list[str]:
        """What is kept."""
        return list(self._lines)


def utf8_bytes(text: str) -> int:
    """How many bytes the text has in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _end_of(text: str, most: int) -> str:
    """The end of a text, of whole characters and so many bytes at most."""
    if utf8_bytes(text) <= most:
        return text
    return text.encode("utf-8", "replace")[-most:].decode("utf-8", "ignore") if most else ""
