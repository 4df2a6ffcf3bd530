"""The end of a text that comes line by line. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass
class LastLines:
    """Keeps the last lines, so many and of so many characters together at most; of a longer line its end."""

    most: int
    characters: int
    _lines: deque[str] = field(default_factory=deque)
    _held: int = 0

    def add(self, line: str) -> None:
        """Take in the next line."""
        line = line[-self.characters :]
        self._lines.append(line)
        self._held += len(line)
        while len(self._lines) > self.most or self._held > self.characters:
            self._held -= len(self._lines.popleft())

    def all(self) -> list[str]:
        """What is kept."""
        return list(self._lines)
