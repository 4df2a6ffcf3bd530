"""Tables as kubectl prints them: the API server makes the cells, so that the columns cannot differ."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from mcptasks.diagnostics.visible_text import visible_line
from mcptasks.model.base import JsonObject

MIN_WIDTH = 6
PADDING = 3
SHORTEST_NAME = 12
"""kubectl's settings for text/tabwriter."""

_LINE_BREAK = re.compile(r"[\f\n\r]")


@dataclass
class TablePrinter:
    """Renders `meta.k8s.io/v1` Tables. Widths grow and stay, so that the rows of a watch line up with earlier ones.

    Args:
        wide: show all columns.
        with_namespace: begin with the namespace.
        fits: the width that lines should have at most. Names are cut for it as far as each stays a prefix that only it
            has among the rows so far, which commands take as well.
    """

    wide: bool = False
    with_namespace: bool = False
    fits: int | None = None
    _columns: list[JsonObject] = field(default_factory=list)
    _widths: list[int] = field(default_factory=list)
    _has_header: bool = False
    _names: set[str] = field(default_factory=set)
    _room: int = sys.maxsize

    def render(self, table: JsonObject) -> list[str]:
        """Lines for the table's rows, the header first where it was not there yet. A table without rows has none."""
        # In a watch only the first table says what its columns are.
        columns = self._columns = table.get("columnDefinitions") or self._columns
        rows = table.get("rows") or []
        if not rows:
            return []
        shown = [index for index, column in enumerate(columns) if self.wide or not column.get("priority")]
        lines = [self._cells(row, shown) for row in rows]
        if not self._has_header:
            self._has_header = True
            lines.insert(0, self._header([columns[index]["name"] for index in shown]))
        aligned = self._aligned(lines)
        excess = 0 if self.fits is None else max(map(len, aligned)) - self.fits
        if excess <= 0 or not columns or columns[shown[0]]["name"].lower() != "name":
            return aligned
        self._shorten_names(lines, excess)
        return self._aligned(lines)

    def _shorten_names(self, lines: list[list[str]], excess: int) -> None:
        """Cut the names by what is too much, or by as much as leaves them different."""
        index = 1 if self.with_namespace else 0
        names = [line[index] for line in lines]
        self._names.update(names)
        # The column may be wider than these names, for earlier ones.
        longest = max(*map(len, names), self._widths[index] - PADDING)
        self._room = min(longest - excess, self._room)
        length = max(self._room, distinct_length(sorted(self._names)), SHORTEST_NAME)
        for line in lines:
            line[index] = line[index][:length]
        self._widths[index] = max(MIN_WIDTH, min(length, longest) + PADDING)

    def _header(self, names: Sequence[str]) -> list[str]:
        header = [name.upper() for name in names]
        return ["NAMESPACE", *header] if self.with_namespace else header

    def _cells(self, row: JsonObject, shown: Sequence[int]) -> list[str]:
        cells = [_text(row["cells"][index]) for index in shown if index < len(row["cells"])]
        if not self.with_namespace:
            return cells
        return [str((row.get("object") or {}).get("metadata", {}).get("namespace", "")), *cells]

    def _aligned(self, lines: list[list[str]]) -> list[str]:
        for line in lines:
            # The last cell of a line has no width: nothing follows it.
            for index, cell in enumerate(line[:-1]):
                if index == len(self._widths):
                    self._widths.append(MIN_WIDTH)
                self._widths[index] = max(self._widths[index], len(cell) + PADDING)
        return ["".join([*map(str.ljust, line[:-1], self._widths), line[-1]]) for line in lines]


def distinct_length(names: Sequence[str]) -> int:
    """How much of each name has to stay so that none begins as another one does."""
    ordered = sorted(set(names))
    return max((_shared(*pair) + 1 for pair in itertools.pairwise(ordered)), default=1)


def _shared(one: str, other: str) -> int:
    """How many characters both begin with."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in same)


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    text = str(cell)
    first, *more = _LINE_BREAK.split(text, maxsplit=1)
    return visible_line(first + "..." if more else first)
