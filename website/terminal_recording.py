"""A recording of a terminal as one animated SVG, from what a program has printed and when. Pure.

A browser shows it without scripts, a README as an image; who has asked for less motion sees the last picture of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from typing import NamedTuple

COLUMNS = 114
ROWS = 22
CHARACTER, LINE = 7.83, 18
SIDE, TOP, BOTTOM = 18, 42, 14

LONGEST_PAUSE = 0.7
SPEED = 2.5
FRAME = 0.22
"""Seconds: pauses are cut to the first, what remains goes by so many times as fast, and no frame is shorter than the
last."""

HOLD = 6.0
"""Seconds that the last picture stays."""

BACKGROUND, FOREGROUND = "#1b1f2a", "#d7dce5"
COLOURS = {"2": "#565f73", "32": "#7fc98f", "35": "#c58fe6", "31": "#ee8383", "33": "#d9b76a", "36": "#76c3d6"}
BAR = "━╸╺"
_CONTROL = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|[\r\n]|[^\x1b\r\n]+")


class Printed(NamedTuple):
    """What a program has printed, and how many seconds after its start."""

    seconds: float
    text: str


class Cell(NamedTuple):
    """A character and its colour; an empty one is the foreground's."""

    character: str
    colour: str = ""


Row = tuple[Cell, ...]


class Shown(NamedTuple):
    """A row of the whole output, and from when until when it is as it says; None is for good."""

    number: int
    row: Row
    begin: float
    end: float | None


@dataclass
class Screen:
    """As much of a terminal as progress bars and lines need. Nothing scrolls away."""

    columns: int = COLUMNS
    lines: list[list[Cell]] = field(default_factory=lambda: [[]])
    row: int = 0
    column: int = 0
    colour: str = ""

    def feed(self, text: str) -> None:
        """Obey what is printed."""
        for found in _CONTROL.finditer(text):
            if found[2]:
                self._obey(found[1], found[2])
            elif found[0] == "\n":
                self._next_line()
            elif found[0] == "\r":
                self.column = 0
            else:
                self._write(found[0])

    def rows(self) -> list[Row]:
        """All lines as they are now."""
        return [tuple(line) for line in self.lines]

    def _obey(self, parameters: str, command: str) -> None:
        if command == "A":
            self.row = max(0, self.row - int(parameters or 1))
        elif command == "K":
            self.lines[self.row].clear()
        elif command == "m":
            self.colour = COLOURS.get(parameters.split(";")[-1], "")

    def _next_line(self) -> None:
        self.row += 1
        self.column = 0
        if self.row == len(self.lines):
            self.lines.append([])

    def _write(self, text: str) -> None:
        for character in text:
            if self.column == self.columns:
                self._next_line()
            line = self.lines[self.row]
            line.extend([Cell(" ")] * (self.column + 1 - len(line)))
            line[self.column] = Cell(character, self.colour)
            self.column += 1


def paced(printed: Iterable[Printed]) -> Iterator[Printed]:
    """The same with the time of the recording: pauses cut, the rest faster."""
    now = before = 0.0
    for seconds, text in printed:
        now += min(seconds - before, LONGEST_PAUSE) / SPEED
        before = seconds
        yield Printed(now, text)


def framed(printed: Iterable[Printed]) -> Iterator[Printed]:
    """The same with what comes within a frame in one piece."""
    waiting, due = "", 0.0
    last = 0.0
    for seconds, text in printed:
        if waiting and seconds >= due:
            yield Printed(due, waiting)
            waiting = ""
        if not waiting:
            due = max(seconds, last + FRAME)
            last = due
        waiting += text
    if waiting:
        yield Printed(due, waiting)


def rows_shown(frames: Iterable[Printed], screen: Screen) -> tuple[list[Shown], list[tuple[float, int]]]:
    """Every state of every row, and from when on how many rows there are."""
    shown: list[Shown] = []
    heights: list[tuple[float, int]] = []
    current: list[tuple[Row, float]] = []
    for seconds, text in frames:
        screen.feed(text)
        rows = screen.rows()
        for number, row in enumerate(rows):
            if number == len(current):
                current.append((row, seconds))
            elif current[number][0] != row:
                before, begin = current[number]
                shown.append(Shown(number, before, begin, seconds))
                current[number] = (row, seconds)
        if not heights or heights[-1][1] != len(rows):
            heights.append((seconds, len(rows)))
    shown += [Shown(number, row, begin, None) for number, (row, begin) in enumerate(current)]
    return [one for one in shown if any(cell.character != " " for cell in one.row)], heights


def recording(printed: Sequence[Printed], command: str) -> str:
    """The SVG of a command and what it has printed."""
    screen = Screen()
    frames = list(framed(paced([Printed(0.0, f"$ {command}\n"), *(Printed(s + 0.5, t) for s, t in printed)])))
    shown, heights = rows_shown(frames, screen)
    length = frames[-1].seconds + HOLD
    return _document(shown, heights, length, command)


def _document(shown: Sequence[Shown], heights: Sequence[tuple[float, int]], length: float, command: str) -> str:
    width, height = round(COLUMNS * CHARACTER + 2 * SIDE), TOP + ROWS * LINE + BOTTOM
    body = "\n".join(_row(number, one, length) for number, one in enumerate(shown))
    rules = "\n".join([_scroll(heights, length), *(_appearance(n, one, length) for n, one in enumerate(shown))])
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" width="{width}" \
height="{height}">
<title>{escape(command)}: what it prints; pauses are cut, and the rest is {SPEED:g} times as fast as it was</title>
<style>
text{{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre;\
fill:{FOREGROUND}}}
.h{{visibility:hidden}}
@media (prefers-reduced-motion:no-preference){{
{rules}
}}
</style>
<rect width="{width}" height="{height}" rx="10" fill="{BACKGROUND}"/>
<g fill="#4a5264"><circle cx="22" cy="19" r="6"/><circle cx="42" cy="19" r="6"/><circle cx="62" cy="19" r="6"/></g>
<text x="{width / 2:g}" y="24" text-anchor="middle" style="fill:#8b94a7">{escape(command)}</text>
<svg x="{SIDE}" y="{TOP}" width="{width - 2 * SIDE}" height="{ROWS * LINE}">
<g class="s" style="transform:translateY({-LINE * _scrolled(heights[-1][1])}px)">
{body}
</g>
</svg>
</svg>
"""


def _scrolled(height: int) -> int:
    """How many rows are above the window."""
    return max(0, height - ROWS)


def _scroll(heights: Sequence[tuple[float, int]], length: float) -> str:
    steps = [f"{_share(at, length)}{{transform:translateY({-LINE * _scrolled(height)}px)}}" for at, height in heights]
    return f"@keyframes s{{0%{{transform:none}}{''.join(steps)}}}.s{{animation:s {length:.1f}s step-end infinite}}"


def _appearance(number: int, one: Shown, length: float) -> str:
    if one.begin == 0 and one.end is None:
        return ""
    end = "" if one.end is None else f"{_share(one.end, length)}{{visibility:hidden}}"
    start = f"{_share(one.begin, length)}{{visibility:visible}}"
    first = "" if one.begin == 0 else "0%{visibility:hidden}"
    return (
        f"@keyframes r{number}{{{first}{start}{end}}}#r{number}{{animation:r{number} {length:.1f}s step-end infinite}}"
    )


def _share(seconds: float, length: float) -> str:
    return f"{100 * seconds / length:.2f}%"


def _row(number: int, one: Shown, length: float) -> str:
    hidden = "" if one.end is None else ' class="h"'
    top = one.number * LINE
    parts = "".join(_part(column, text, colour, top) for column, text, colour in _parts(one.row))
    return f'<g id="r{number}"{hidden}>{parts}</g>'


def _parts(row: Row) -> Iterator[tuple[int, str, str]]:
    """Stretches of one colour, each with its column; bars apart from text, spaces with the text before them."""
    column = 0
    for (colour, _), cells in groupby(row, key=lambda cell: (cell.colour, cell.character in BAR)):
        text = "".join(cell.character for cell in cells)
        if text.strip():
            yield column + len(text) - len(text.lstrip()), text.strip(), colour
        column += len(text)


def _part(column: int, text: str, colour: str, top: int) -> str:
    x = column * CHARACTER
    if text[0] in BAR:
        fill = colour or FOREGROUND
        return f'<rect x="{x:.5g}" y="{top + 8}" width="{len(text) * CHARACTER:.5g}" height="3" fill="{fill}"/>'
    fill = f' style="fill:{colour}"' if colour else ""
    return f'<text x="{x:.5g}" y="{top + 13}"{fill}>{escape(text, quote=False)}</text>'
